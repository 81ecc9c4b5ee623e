//! A front door that speaks TLS, and an SDK that does.

use std::net::{IpAddr, Ipv4Addr};

use anyhow::Result;
use federation_harness::home::Home;
use federation_harness::port::PortBlock;
use federation_harness::{Gateway, GatewayOptions, SdkClient, SdkInstance, SdkService};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, SanType};

use crate::SEEN_WITHIN;
use crate::doors::{before_the_doors, unique};

/// Writes an authority, and a certificate of it with its key for 127.0.0.1.
fn write_certificates(folder: &std::path::Path) -> Result<()> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
    let mut params = CertificateParams::default();
    params.subject_alt_names = vec![SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST))];
    let key = KeyPair::generate()?;
    std::fs::write(folder.join("ca.crt"), authority.pem())?;
    std::fs::write(folder.join("tls.crt"), params.signed_by(&key, &authority)?.pem())?;
    std::fs::write(folder.join("tls.key"), key.serialize_pem())?;
    Ok(())
}

#[test]
fn an_sdk_registers_looks_up_and_is_told_over_tls_and_one_without_it_gets_nothing() {
    before_the_doors(async |doors| {
        let folder = Home::temporary("certificates")?;
        write_certificates(folder.path())?;
        let path = |name: &str| folder.path().join(name);
        let door = PortBlock::choose(&[1000])?;
        let further = format!(
            "front_door: {{listen: \"127.0.0.1:{}\", tls: {{certificate: {}, key: {}}}}}",
            door.main(),
            path("tls.crt").display(),
            path("tls.key").display(),
        );
        let options = GatewayOptions { further, ..GatewayOptions::new("encrypted", "here", &doors.kafka()) };
        let _gateway = Gateway::start(&options).await?;
        let server = format!("127.0.0.1:{}", door.main());
        let authority = path("ca.crt");
        let provider = SdkClient::start_over_tls(doors.parts(), &server, &authority).await?;
        let consumer = SdkClient::start_over_tls(doors.parts(), &server, &authority).await?;
        let (service, instance) = (SdkService::public(unique("encrypted")), SdkInstance::new("10.8.0.1", 8080));
        consumer.subscribe(&service).await?;
        provider.register(&service, &instance).await?;
        let is_it = |list: &[SdkInstance]| list.iter().any(|it| it.ip == instance.ip);
        consumer.until_instances(&service, SEEN_WITHIN, is_it).await?;
        anyhow::ensure!(is_it(&provider.list(&service).await?), "the provider finds itself");
        let plain = doors.client_of(&server).await?;
        anyhow::ensure!(plain.register(&service, &instance).await.is_err(), "plain text is answered");
        Ok(())
    });
}
