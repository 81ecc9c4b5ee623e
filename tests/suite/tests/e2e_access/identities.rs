//! Everybody who may be known, by all three ways to ask.

use anyhow::{Result, ensure};
use federation_proto::federation::v1 as pb;
use serde_json::json;
use tonic::Code;

use crate::ask::Shown;
use crate::provider::claims;
use crate::stage::Stage;

/// Who is shown by what, and what it may do.
fn known(stage: &Stage) -> Result<Vec<(Shown, &'static str, &'static str)>> {
    let alice = stage.corp.token(&claims("https://id.example", "alice", "sre"))?;
    let robot = stage.build.token(&claims("https://build.example", "robot", "none"))?;
    Ok(vec![
        (Shown::certificate("ops"), "certificate:ops", "operator"),
        (Shown::certificate("deployer"), "certificate:spiffe://prod/ns/a/sa/deploy", "viewer"),
        (stage.keep_token("alice", &alice)?, "jwt:corp/alice", "admin"),
        (stage.keep_token("robot", &robot)?, "jwt:build/robot", "viewer"),
        (stage.token("viewer"), "token:viewer", "viewer"),
        // What is shown in a request goes before the connection's certificate.
        (stage.token("viewer").with("ops"), "token:viewer", "viewer"),
        (Shown::certificate("unnamed"), "anonymous", ""),
        (Shown::default(), "anonymous", ""),
    ])
}

pub(crate) async fn each_is_known_by_curl_by_grpc_and_by_the_command_line(stage: &mut Stage) -> Result<()> {
    for (shown, identity, role) in known(stage)? {
        let roles = if role.is_empty() { json!([]) } else { json!([role]) };
        let gateways = [&stage.shanghai, &stage.frankfurt];
        // Who shows no certificate is not let in at all by the other one.
        for gateway in gateways.into_iter().filter(|it| !it.wants_certificates() || shown.certificate.is_some()) {
            let told = stage.curl(gateway, &shown, &[], "/v1/whoami").await?;
            let who = told.document();
            ensure!(told.status == 200 && who["identity"] == identity && who["roles"] == roles, "{shown:?}: {told:?}");

            let told = stage.command(gateway, &shown, &["whoami"]).await?;
            let want = format!("{identity}: {}\n", if role.is_empty() { "no role" } else { role });
            ensure!(told.code == Some(0) && told.text == want, "{shown:?}: {told:?}");

            let channel = stage.channel(gateway, &shown)?;
            let list = pb::ListClustersRequest::default();
            let (code, text) = stage.call(channel, &shown, "/federation.v1.Discovery/ListClusters", list).await?;
            let want = if role.is_empty() { Code::Unauthenticated } else { Code::Ok };
            ensure!(code == want, "{shown:?}: {code:?} {text}");
        }
    }
    Ok(())
}
