//! What the director does with orders: parts and instances are stopped and started, and it is said what follows from it.

use tokio::sync::oneshot;

use super::DemoError;
use super::control::{ControlAnswer, Listed, Refusal, Reply, What};
use super::director::Director;
use super::line::Tone;
use super::region::DemoRegion;
use super::shop::{Change, InstanceState, Shop};
use super::stage::{LOST_AFTER, STALE_AFTER, Stage, Standing};
use super::target::{NoTarget, Target};

/// What was done, in words.
type Outcome = Result<String, Refusal>;

impl Director {
    /// Carries out an order; the answer comes when it is done.
    pub(super) async fn obey(&mut self, what: What, reply: Option<oneshot::Sender<Reply>>) -> Result<(), DemoError> {
        let answer = match what {
            What::List => Ok(String::new()),
            What::Stop(Target::Instance(region, name)) => self.change_instance(region, &name, Shop::stop)?,
            What::Start(Target::Instance(region, name)) => self.change_instance(region, &name, Shop::start)?,
            What::Stop(target) => {
                self.note(Tone::Warn, format!("{} stops", title(&target)))?;
                self.stage.stop(&target).map_err(DemoError::Part)?;
                if self.stage.standing(&target) == Standing::Stopping {
                    // A reply that nobody waits for is one that nobody reads.
                    self.state.waiting.extend(reply.map(|reply| (target, reply)));
                    return Ok(());
                }
                Ok(consequence(&target))
            }
            What::Start(target) => self.start(&target).await?,
        };
        let answer = answer.map(|text| ControlAnswer { text, targets: self.targets() });
        if let Some(reply) = reply {
            // Who asked may be gone.
            let _ = reply.send(answer);
        }
        Ok(())
    }

    async fn start(&mut self, target: &Target) -> Result<Outcome, DemoError> {
        let title = title(target);
        let outcome = match self.stage.standing(target) {
            Standing::Up => Ok(format!("{title} runs already")),
            Standing::Stopping => Err(format!("{title} is still stopping")),
            Standing::Stopped | Standing::Failed => match self.stage.start(target).await {
                Ok(()) => Ok(format!("{title} runs again")),
                Err(error) => Err(format!("{title} does not start: {error:#}")),
            },
        };
        match &outcome {
            Ok(text) => self.note(Tone::Good, text.clone())?,
            Err(text) => self.note(Tone::Bad, text.clone())?,
        }
        Ok(outcome.map_err(Refusal::Failed))
    }

    fn change_instance(
        &mut self,
        region: DemoRegion,
        name: &str,
        change: fn(&mut Shop, DemoRegion, &str) -> Option<Change>,
    ) -> Result<Outcome, DemoError> {
        let target = Target::Instance(region, name.to_owned());
        if self.shop.find(region, name).is_none() {
            return Ok(Err(NoTarget(target.to_string()).into()));
        }
        let Some(change) = change(&mut self.shop, region, name) else {
            return Ok(Ok(format!("{target} is so already")));
        };
        let text = format!("{region}: {}", change.text);
        self.change(change)?;
        Ok(Ok(text))
    }

    /// A part has ended: wanted or not, it is told, and whoever waited for it is answered.
    pub(super) fn part_ended(&mut self, target: &Target, outcome: anyhow::Result<()>) -> Result<(), DemoError> {
        match (self.stage.standing(target), outcome) {
            (Standing::Stopped, Ok(())) => self.note(Tone::Warn, consequence(target))?,
            (_, Ok(())) => self.note(Tone::Bad, format!("{} ended by itself", title(target)))?,
            (_, Err(error)) => self.note(Tone::Bad, format!("{} ended by an error: {error:#}", title(target)))?,
        }
        let targets = self.targets();
        let (answered, waiting) =
            std::mem::take(&mut self.state.waiting).into_iter().partition(|(waited_for, _)| waited_for == target);
        self.state.waiting = waiting;
        let answered: Vec<(Target, oneshot::Sender<Reply>)> = answered;
        for (_, reply) in answered {
            // Who asked may be gone.
            let _ = reply.send(Ok(ControlAnswer { text: consequence(target), targets: targets.clone() }));
        }
        Ok(())
    }

    /// Whatever does not run because somebody stopped it, or because it failed.
    pub(super) fn stopped(&self) -> Vec<String> {
        let down = Stage::targets().filter(|target| self.stage.standing(target) != Standing::Up);
        down.chain(self.stopped_instances()).map(|target| target.to_string()).collect()
    }

    /// The instances that a person has stopped.
    pub(super) fn stopped_instances(&self) -> Vec<Target> {
        let stopped = self.shop.instances().iter().filter(|one| one.state == InstanceState::Stopped);
        stopped.map(|one| Target::Instance(one.region, one.name.clone())).collect()
    }

    fn targets(&self) -> Vec<Listed> {
        let parts = Stage::targets().map(|target| Listed {
            state: match self.stage.standing(&target) {
                Standing::Up => "up",
                Standing::Stopping => "stopping",
                Standing::Stopped => "stopped",
                Standing::Failed => "failed",
            }
            .to_owned(),
            what: self.describe(&target),
            target: target.to_string(),
        });
        let instances = self.shop.instances().iter().map(|one| Listed {
            target: Target::Instance(one.region, one.name.clone()).to_string(),
            state: match one.state {
                InstanceState::Running => "up",
                InstanceState::Away => "away",
                InstanceState::Stopped => "stopped",
            }
            .to_owned(),
            what: format!("{} {}", one.service, one.address()),
        });
        parts.chain(instances).collect()
    }

    fn describe(&self, target: &Target) -> String {
        match target {
            Target::Kafka => format!("embedded broker {}", self.stage.broker()),
            Target::Gateway(region) => format!("gateway http://{}", self.ports.of(*region).http),
            Target::Registry(region) => format!("registry http://{}", self.ports.of(*region).registry),
            Target::Instance(..) => String::new(),
        }
    }
}

fn title(target: &Target) -> String {
    match target {
        Target::Kafka => "the broker".to_owned(),
        Target::Gateway(region) => format!("{region}'s gateway"),
        Target::Registry(region) => format!("{region}'s registry"),
        Target::Instance(region, name) => format!("{name} of {region}"),
    }
}

/// What can be seen once a part has stopped.
fn consequence(target: &Target) -> String {
    let (stale, lost) = (STALE_AFTER.as_secs(), LOST_AFTER.as_secs());
    let title = title(target);
    match target {
        Target::Kafka => format!(
            "{title} is down: every gateway goes on answering, its own region from its registry, the others as it knew them"
        ),
        Target::Gateway(_) => format!(
            "{title} has stopped, and its front door with it: the others keep its instances, labelled stale after {stale} s and lost after {lost} s"
        ),
        Target::Registry(_) => format!(
            "{title} has stopped, as a Nacos that fails: its instances stay, also in its own gateway, and their age grows; the shop's lookups go on"
        ),
        Target::Instance(..) => format!("{title} is stopped"),
    }
}
