//! Answers the engine's questions about single services: reads through the admin API, and queries.

use std::time::{Duration, Instant};

use federation_core::id::ServiceKey;
use federation_core::input::{LocalInput, ServiceReading};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use nacos_protocol::client::{ListSource, ServiceName};
use nacos_protocol::message::naming::ServiceInfo;
use tokio_util::sync::CancellationToken;

use super::about::About;
use super::calls::{ApiCall, Trouble};
use super::instance;
use super::queue::Finish;
use super::shared::{Context, EngineGone, Question, Told};

/// Questions in flight at most: a sweep over many services must not press Nacos.
pub(super) const IN_FLIGHT: usize = 8;
/// Longest time for one read. The engine asks again after 6 s; an answer that comes later answers nothing.
const READ_WITHIN: Duration = Duration::from_secs(5);

/// How often a query is tried, and the pause between.
const QUERY_ATTEMPTS: u32 = 3;
const QUERY_PAUSE: Duration = Duration::from_millis(500);

/// What asking gave.
enum Answer {
    Reading(ServiceReading),
    /// Enabled instances only, with the connection that they came over.
    List(u64, ServiceInfo),
}

/// Answers until `stop`.
pub(super) async fn run(shared: Context, stop: CancellationToken) -> Result<(), EngineGone> {
    let mut in_flight = FuturesUnordered::new();
    loop {
        // All arms are cancel-safe: a token, a queue that gives nothing before it returns, a stream that keeps its futures.
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            question = shared.questions.next(), if in_flight.len() < IN_FLIGHT => {
                in_flight.push(answer(Context::clone(&shared), question));
            }
            Some(answered) = in_flight.next() => answered?,
        }
    }
}

async fn answer(shared: Context, question: Question) -> Result<(), EngineGone> {
    let (key, read) = match &question {
        Question::Read(key) => (key, true),
        Question::Query(key) => (key, false),
    };
    let found = match (shared.names.service_name(key), shared.generation()) {
        (Some(name), Some(generation)) => {
            let asked = match read {
                true => ask_read(&shared, &name, generation).await,
                false => ask_patiently(&shared, &name, generation).await,
            };
            Some((name, asked))
        }
        _ => None,
    };
    if let Some((name, _)) = found.as_ref().filter(|(name, _)| !shared.is_watched(name)) {
        shared.calls.forget(About::Service(name)); // Given up meanwhile.
    }
    if shared.questions.finish(&question) == Finish::WantedAgain {
        return Ok(()); // Asked anew while this was under way: the engine takes what comes for the answer to its last question.
    }
    match found {
        Some((name, Answer::List(generation, info))) if read => tell_read(&shared, key, generation, &name, info).await,
        Some((name, Answer::List(generation, info))) => {
            shared.tell_list(generation, &name, info, ListSource::Answer).await.map(drop)
        }
        Some((_, Answer::Reading(reading))) if read => tell_reading(&shared, key, reading).await,
        None if read => tell_reading(&shared, key, ServiceReading::Failed).await,
        Some((_, Answer::Reading(_))) | None => Ok(()), // A query that gave nothing: the sweep asks again.
    }
}

async fn tell_reading(shared: &Context, key: &ServiceKey, reading: ServiceReading) -> Result<(), EngineGone> {
    shared.tell(LocalInput::Read { service: key.clone(), reading }).await
}

async fn tell_read(
    shared: &Context,
    key: &ServiceKey,
    generation: u64,
    name: &ServiceName,
    info: ServiceInfo,
) -> Result<(), EngineGone> {
    match shared.tell_enabled_only(generation, name, info).await? {
        Told::Yes | Told::Unwanted => Ok(()),
        Told::Outdated => tell_reading(shared, key, ServiceReading::Failed).await,
    }
}

/// Reads all instances; where that is refused, the enabled ones.
async fn ask_read(shared: &Context, name: &ServiceName, generation: u64) -> Answer {
    // Over HTTP the nameless namespace is another name of the default one: the answer would be about other instances.
    if name.namespace.is_empty() {
        return ask(shared, name, generation).await;
    }
    let (call, about) = (ApiCall::ReadInstances, About::Service(name));
    if shared.calls.is_barred(call, about, Instant::now()) {
        return ask(shared, name, generation).await;
    }
    let trouble = match tokio::time::timeout(READ_WITHIN, shared.admin.instances(name)).await {
        Ok(Ok(instances)) => {
            shared.calls.worked(call, about);
            return Answer::Reading(ServiceReading::All(instance::read(instances).instances));
        }
        Ok(Err(error)) => Trouble::from(&error),
        Err(_) => Trouble::Failed(format!("no answer within {READ_WITHIN:?}")),
    };
    let is_final = trouble.is_final();
    shared.calls.failed(call, about, trouble, Instant::now());
    if is_final { ask(shared, name, generation).await } else { Answer::Reading(ServiceReading::Failed) }
}

/// As [`ask`], more than once if it fails: the engine does not ask for a list again before its next sweep.
async fn ask_patiently(shared: &Context, name: &ServiceName, generation: u64) -> Answer {
    for _ in 1..QUERY_ATTEMPTS {
        if let answer @ Answer::List(..) = ask(shared, name, generation).await {
            return answer;
        }
        tokio::time::sleep(QUERY_PAUSE).await;
    }
    ask(shared, name, generation).await
}

/// Queries the enabled instances.
async fn ask(shared: &Context, name: &ServiceName, generation: u64) -> Answer {
    let about = About::Service(name);
    match shared.client.query(name).await {
        Ok(info) => {
            shared.calls.worked(ApiCall::QueryService, about);
            Answer::List(generation, info)
        }
        Err(error) => {
            shared.calls.failed(ApiCall::QueryService, about, Trouble::from(&error), Instant::now());
            Answer::Reading(ServiceReading::Failed)
        }
    }
}
