//! Everybody who may be known, by all three ways to ask.

use anyhow::{Context, Result, ensure};
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

/// A user of the Nacos beside the gateway, who logs in as people do, after somebody who does not know the password.
async fn user_of_nacos(stage: &Stage) -> Result<(Shown, &'static str, &'static str)> {
    let password = stage.shanghai.secrets.iter().find(|(name, _)| name == "NACOS_PASSWORD");
    let (_, password) = password.context("it has a password for its Nacos")?;
    std::fs::write(stage.path("right.password"), password)?;
    std::fs::write(stage.path("guessed.password"), "guessed\n")?;
    let log_in = async |file: &str| {
        let arguments = ["login", "nacos", "--password-file", file, "--print"];
        stage.command(&stage.shanghai, &Shown::default(), &arguments).await
    };
    let told = log_in("guessed.password").await?;
    ensure!(told.code != Some(0) && told.text.contains("user or password are wrong"), "{told:?}");
    let told = log_in("right.password").await?;
    ensure!(told.code == Some(0), "nobody is logged in: {}", told.code.unwrap_or(-1));
    Ok((stage.keep_token("user-of-nacos", told.text.trim())?, "nacos:nacos", "viewer"))
}

pub(crate) async fn each_is_known_by_curl_by_grpc_and_by_the_command_line(stage: &mut Stage) -> Result<()> {
    let mut known = known(stage)?;
    known.push(user_of_nacos(stage).await?);
    for (shown, identity, role) in known {
        let roles = if role.is_empty() { json!([]) } else { json!([role]) };
        // A session counts at the gateway that gave it.
        let of_both = !identity.starts_with("nacos:");
        let gateways = [Some(&stage.shanghai), Some(&stage.frankfurt).filter(|_| of_both)].into_iter().flatten();
        // Who shows no certificate is not let in at all by the other one.
        for gateway in gateways.filter(|it| !it.wants_certificates() || shown.certificate.is_some()) {
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
