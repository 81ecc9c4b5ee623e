//! Small applications around other people's frameworks, as separate processes that are asked over HTTP.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::announce;
use crate::gateway::is_ok;
use crate::home::Home;
use crate::parts::{Part, Parts};
use crate::port::PortBlock;
use crate::process::{Conversation, POLL, Process, Program, Signal, tail};

/// A start takes 6 to 18 s beside other servers on two cores.
const START_PATIENCE: Duration = Duration::from_secs(120);
const STOP_PATIENCE: Duration = Duration::from_secs(30);
/// An application that calls another one may wait for it.
const CALL_PATIENCE: Duration = Duration::from_secs(20);

/// What an application is made with, and what it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientFramework {
    /// Spring Cloud Alibaba 2025.0.0.0 on Spring Boot 3.5, whose client of Nacos is 3.0.3. It offers itself, and calls others when it is asked to.
    Spring,
    /// Spring Cloud Alibaba 2023.0.3.4 on Spring Boot 3.2, whose client of Nacos is 2.4.3. The same program.
    Spring2023,
    /// Dubbo 3.3.6 with the client of Nacos 2.5.1, which offers an interface. It is registered by application alone: by interface it would be
    /// found without the mapping.
    DubboProvider,
    /// The same, which calls that interface; with the migration rule that it has by default.
    DubboConsumer,
}

impl ClientFramework {
    /// The part to ask [`Parts::ensure`] for.
    pub fn part(self) -> Part {
        match self {
            Self::Spring => Part::Spring,
            Self::Spring2023 => Part::Spring2023,
            Self::DubboProvider | Self::DubboConsumer => Part::Dubbo,
        }
    }

    fn main(self) -> &'static str {
        match self {
            Self::Spring | Self::Spring2023 => "federation.clients.spring.Application",
            Self::DubboProvider | Self::DubboConsumer => "federation.clients.dubbo.Application",
        }
    }

    /// All that it is told: its name, its port, and where Nacos is.
    fn arguments(self, name: &str, port: u16, nacos: &str) -> Vec<String> {
        let port = port.to_string();
        match self {
            Self::Spring | Self::Spring2023 => vec![
                format!("--spring.application.name={name}"),
                format!("--server.port={port}"),
                format!("--spring.cloud.nacos.server-addr={nacos}"),
                format!("--spring.config.import=nacos:{name}.properties"),
            ],
            Self::DubboProvider => {
                vec!["provider".into(), name.into(), format!("nacos://{nacos}?register-mode=instance"), port]
            }
            Self::DubboConsumer => vec!["consumer".into(), name.into(), format!("nacos://{nacos}"), port],
        }
    }
}

/// A running application. Dropping it kills it.
#[derive(Debug)]
pub struct FrameworkProcess {
    name: String,
    base: String,
    http: reqwest::Client,
    process: Process,
    _home: Home,
}

impl FrameworkProcess {
    /// Starts one whose Nacos is at `nacos` (`host:port`), and waits until it answers.
    ///
    /// # Errors
    /// When it does not; the error quotes its log.
    pub async fn start(parts: &Parts, framework: ClientFramework, name: &str, nacos: &str) -> Result<Self> {
        let (start, home) = (Instant::now(), Home::temporary(framework.part().name())?);
        let port = PortBlock::choose(&[])?.main();
        let part = parts.directory(framework.part())?.display().to_string();
        let classes = format!("{part}/target/classes:{part}/deps/*");
        let user = format!("-Duser.home={}", home.path().display());
        let flags = ["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", &user, "-cp", &classes];
        let process = Program::new(format!("{name} ({framework:?})"), "java", home.path().join("application.log"))
            .args(flags)
            .args([framework.main()])
            .args(framework.arguments(name, port, nacos))
            .directory(home.path())
            .env("HOME", home.path().display().to_string())
            .spawn(Conversation::None)
            .await?;
        let http = reqwest::Client::builder().no_proxy().timeout(CALL_PATIENCE).build()?;
        let base = format!("http://127.0.0.1:{port}");
        let mut application = Self { name: name.to_owned(), base, http, process, _home: home };
        let (http, who) = (application.http.clone(), format!("{}/who", application.base));
        application.process.until_ready(START_PATIENCE, async |_| is_ok(&http, &who).await).await?;
        announce(&format!("{name} ({framework:?}) answers after {:.1} s", start.elapsed().as_secs_f64()));
        Ok(application)
    }

    /// Its name, by which others call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The end of its log, for people.
    pub fn log_end(&self) -> String {
        format!("the end of the log of {}:\n{}", self.name, tail(&self.process.output()))
    }

    /// Asks it: status and text.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn ask(&self, path: &str) -> Result<(u16, String)> {
        let answer = self.http.get(format!("{}{path}", self.base)).send().await?;
        Ok((answer.status().as_u16(), answer.text().await?))
    }

    /// Asks it until it answers 200 and what is wanted.
    ///
    /// # Errors
    /// When `patience` is over; the error quotes the last answer and the end of its log.
    pub async fn until(&self, path: &str, patience: Duration, wanted: impl Fn(&str) -> bool) -> Result<String> {
        let deadline = Instant::now() + patience;
        loop {
            let last = self.ask(path).await;
            match last {
                Ok((200, text)) if wanted(&text) => return Ok(text),
                last if Instant::now() > deadline => {
                    let what =
                        format!("does not answer {path} as wanted within {} s, but {last:?}", patience.as_secs());
                    return Err(self.process.failure(&what));
                }
                _ => tokio::time::sleep(POLL).await,
            }
        }
    }

    /// Ends it in order.
    ///
    /// # Errors
    /// When it has to be killed; the error quotes its log.
    pub async fn stop(mut self) -> Result<()> {
        self.process.signal(Signal::Terminate)?;
        if tokio::time::timeout(STOP_PATIENCE, self.process.ended()).await.is_err() {
            bail!(self.process.failure("does not end when asked to"));
        }
        Ok(())
    }

    /// `kill -9`, and waits for the end.
    ///
    /// # Errors
    /// When the signal cannot be sent.
    pub async fn kill(mut self) -> Result<()> {
        self.process.signal(Signal::Kill)?;
        self.process.ended().await?;
        Ok(())
    }
}
