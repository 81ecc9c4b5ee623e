use federation_core::id::{ClusterId, ConfigKey, ServiceKey};

use super::*;
use crate::judge::{AccessSubject, ListSight, judge, judge_declared};
use crate::right::{AccessRight, DeclaredRight};

const VIEW: AccessRight = AccessRight::View;
const READ: AccessRight = AccessRight::ReadContents;
const OPERATE: AccessRight = AccessRight::Operate;
const ADMINISTER: AccessRight = AccessRight::Administer;

#[test]
fn a_role_for_everything_has_its_rights_and_no_others() {
    let cluster: ClusterId = "frankfurt".parse().unwrap();
    let (service, config) = (ServiceKey::new("prod", "g", "order-a"), ConfigKey::new("prod", "g", "a.yaml"));
    for (role, view_service, view_config, view_all, read, operate, administer) in [
        (AccessRole::Viewer, true, true, true, false, false, false),
        (AccessRole::ConfigReader, false, true, false, true, false, false),
        (AccessRole::Operator, true, false, true, false, true, false),
        (AccessRole::Admin, true, true, true, true, true, true),
    ] {
        let grants = [RoleGrant::whole(role)];
        for (right, subject, want) in [
            (VIEW, AccessSubject::Service(&service), view_service),
            (VIEW, AccessSubject::Config(&config), view_config),
            (VIEW, AccessSubject::Whole, view_all),
            (VIEW, AccessSubject::Something, true),
            (READ, AccessSubject::Config(&config), read),
            (READ, AccessSubject::Something, read),
            (OPERATE, AccessSubject::Cluster(&cluster), operate),
            (OPERATE, AccessSubject::Services(&cluster, &services(["*", "*", "*"])), operate),
            (OPERATE, AccessSubject::Whole, operate),
            (ADMINISTER, AccessSubject::Whole, administer),
            (ADMINISTER, AccessSubject::Something, administer),
        ] {
            assert_eq!(judge(&grants, right, subject).is_ok(), want, "{role}: {right} {subject}");
            assert!(judge(&[], right, subject).is_err(), "no role, no right: {right} {subject}");
        }
    }
}

#[test]
fn an_operator_moves_what_its_patterns_cover_and_nothing_beside() {
    let (frankfurt, shanghai): (ClusterId, ClusterId) = ("frankfurt".parse().unwrap(), "shanghai".parse().unwrap());
    for (cluster, pattern, want) in [
        (&frankfurt, ["prod", "*", "order-*"], true),
        (&frankfurt, ["prod", "G", "order-eu-?"], true),
        (&frankfurt, ["prod", "*", "*"], false),
        (&frankfurt, ["*", "*", "order-*"], false),
        (&frankfurt, ["dev", "*", "order-a"], false),
        (&shanghai, ["prod", "*", "order-a"], false),
    ] {
        let pattern = services(pattern);
        let verdict = judge(&[ops()], OPERATE, AccessSubject::Services(cluster, &pattern));
        assert_eq!(verdict.is_ok(), want, "{pattern} of {cluster}");
    }
    assert!(judge(&[ops()], OPERATE, AccessSubject::Cluster(&frankfurt)).is_err(), "not all of its services");
    assert!(judge(&[ops()], OPERATE, AccessSubject::Whole).is_err());
    assert!(judge(&[ops()], OPERATE, AccessSubject::Something).is_ok());
    let nothing = RoleGrant { clusters: only([]), ..ops() };
    assert!(judge(&[nothing], OPERATE, AccessSubject::Something).is_err());
}

#[test]
fn who_sees_a_part_sees_a_filtered_list_and_not_the_whole() {
    let reader = RoleGrant {
        configs: only([configs(["prod", "*", "app-*"])]),
        services: only([]),
        ..RoleGrant::whole(AccessRole::ConfigReader)
    };
    let grants = [ops(), reader];
    let seen = ListSight::of::<ServiceKey>(&grants);
    assert!(seen.is_filtered());
    assert!(seen.shows(&ServiceKey::new("prod", "g", "order-a")) && !seen.shows(&ServiceKey::new("prod", "g", "pay")));
    let seen = ListSight::of::<ConfigKey>(&grants);
    assert!(seen.shows(&ConfigKey::new("prod", "g", "app-1")) && !seen.shows(&ConfigKey::new("dev", "g", "app-1")));
    assert!(judge_declared(&grants, DeclaredRight::Part(VIEW)).is_ok());
    assert!(judge_declared(&grants, DeclaredRight::Whole(VIEW)).is_err());
    assert!(judge_declared(&[], DeclaredRight::Open).is_ok());
    let all = [ops(), RoleGrant::whole(AccessRole::Viewer)];
    assert!(!ListSight::of::<ServiceKey>(&all).is_filtered() && !ListSight::of::<ConfigKey>(&all).is_filtered());
    assert!(!ListSight::of::<ServiceKey>(&[]).shows(&ServiceKey::new("", "", "")), "nobody sees anything");
}

#[test]
fn what_is_missing_is_named_with_the_roles_that_have_it() {
    let cluster: ClusterId = "shanghai".parse().unwrap();
    let missing = judge(&[ops()], OPERATE, AccessSubject::Cluster(&cluster)).unwrap_err();
    assert_eq!(
        missing.to_string(),
        "the right `operate` for all services of cluster shanghai is missing; a role that has it: operator, admin"
    );
}
