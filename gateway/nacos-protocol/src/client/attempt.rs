//! One attempt at one subject: the calls, the events for their answers, and what each changed on the connection.

use std::sync::Arc;
use std::time::Duration;

use super::context::{Context, OwnerGone};
use super::link::Link;
use super::memory::{ResultHeard, Subject};
use super::worklist::Attempt;
use super::{CallError, ClientCall, ClientEvent, ConfigName, ServiceName, ServiceSource, SubscriptionRefusal};
use crate::message::config::ConfigBatchListenRequest;
use crate::message::error_code;
use crate::message::naming::{
    BatchInstanceRequest, InstanceRequest, NacosInstance, NamingFuzzyWatchRequest, ServiceQueryRequest,
    SubscribeServiceRequest, instance_operation, watch_type,
};

/// Time for one listen call: a server compares every md5 before it answers.
const LISTEN_TIMEOUT: Duration = Duration::from_secs(10);

/// What one attempt changed on this connection.
pub(super) enum Change {
    Nothing,
    Subscribed(ServiceName),
    Unsubscribed(ServiceName),
    Registered(ServiceName, u64),
    Deregistered(ServiceName),
    Listening(Vec<ConfigName>),
    NotListening(Vec<ConfigName>),
    NotListened(Vec<ConfigName>),
    Watching(String),
    NotWatching(String),
}

/// An attempt that ended.
pub(super) struct Finished {
    pub(super) subject: Subject,
    pub(super) attempt: Attempt,
    pub(super) change: Change,
}

pub(super) fn nothing(subject: Subject) -> futures::future::BoxFuture<'static, Result<Finished, OwnerGone>> {
    Box::pin(std::future::ready(Ok(Finished { subject, attempt: Attempt::Done, change: Change::Nothing })))
}

/// Tells a refusal, and says when to try again.
async fn failed(context: &Context, call: ClientCall, subject: String, error: &CallError) -> Result<Attempt, OwnerGone> {
    let Some(refusal) = SubscriptionRefusal::of(error) else { return Ok(Attempt::Unanswered) };
    context.tell(ClientEvent::CallRefused { call, subject, refusal }).await?;
    Ok(Attempt::Refused)
}

fn subscription(service: &ServiceName, subscribe: bool) -> SubscribeServiceRequest {
    SubscribeServiceRequest {
        namespace: service.namespace.clone(),
        service_name: service.service.clone(),
        group_name: service.group.clone(),
        subscribe,
        ..SubscribeServiceRequest::default()
    }
}

pub(super) async fn subscribe(context: Context, link: Arc<Link>, service: ServiceName) -> Result<Finished, OwnerGone> {
    let subject = Subject::Subscription(service.clone());
    link.pushes().expect_of(&service);
    match link.call(subscription(&service, true)).await {
        Ok(response) => {
            if let Some(info) = response.service_info {
                context.tell_service(link.generation, service.clone(), info, ServiceSource::Subscribed).await?;
            }
            Ok(Finished { subject, attempt: Attempt::Done, change: Change::Subscribed(service) })
        }
        Err(error) => {
            link.pushes().expect_no_more(&service);
            let attempt = failed(&context, ClientCall::Subscribe, service.to_string(), &error).await?;
            Ok(Finished { subject, attempt, change: Change::Nothing })
        }
    }
}

pub(super) async fn unsubscribe(
    context: Context,
    link: Arc<Link>,
    service: ServiceName,
) -> Result<Finished, OwnerGone> {
    let subject = Subject::Subscription(service.clone());
    match link.call(subscription(&service, false)).await {
        Ok(_) => Ok(Finished { subject, attempt: Attempt::Done, change: Change::Unsubscribed(service) }),
        Err(error) => {
            let attempt = failed(&context, ClientCall::Unsubscribe, service.to_string(), &error).await?;
            Ok(Finished { subject, attempt, change: Change::Nothing })
        }
    }
}

/// Ends a subscription and makes it anew, on which a server pushes the service once more.
pub(super) async fn renew(context: Context, link: Arc<Link>, service: ServiceName) -> Result<Finished, OwnerGone> {
    let subject = Subject::Subscription(service.clone());
    if let Err(error) = link.call(subscription(&service, false)).await {
        tracing::debug!(%error, %service, "a subscription was not renewed");
        return Ok(Finished { subject, attempt: Attempt::Done, change: Change::Nothing });
    }
    let finished = subscribe(context, link, service.clone()).await?;
    let change = match finished.change {
        Change::Nothing => Change::Unsubscribed(service), // Tried again, as any that is wanted and is not there.
        change => change,
    };
    Ok(Finished { change, ..finished })
}

pub(super) async fn read(context: Context, link: Arc<Link>, service: ServiceName) -> Result<Finished, OwnerGone> {
    let request = ServiceQueryRequest {
        namespace: service.namespace.clone(),
        service_name: service.service.clone(),
        group_name: service.group.clone(),
        ..ServiceQueryRequest::default()
    };
    let subject = Subject::Read(service.clone());
    let attempt = match link.call(request).await {
        Ok(response) => {
            if let Some(info) = response.service_info {
                context.tell_service(link.generation, service, info, ServiceSource::Read).await?;
            }
            Attempt::Done
        }
        Err(error) => failed(&context, ClientCall::Read, service.to_string(), &error).await?,
    };
    Ok(Finished { subject, attempt, change: Change::Nothing })
}

pub(super) async fn register(
    context: Context,
    link: Arc<Link>,
    service: ServiceName,
    instances: Arc<Vec<NacosInstance>>,
    version: u64,
) -> Result<Finished, OwnerGone> {
    let deregister = instances.is_empty();
    let result = send_registration(&link, &service, (*instances).clone()).await;
    let heard = context.shared.memory().registration_ended(&service, (version, &instances), &result);
    if let Err(error) = &result
        && error.is_refusal()
        && heard == ResultHeard::No
    {
        let reason = error.to_string();
        context.tell(ClientEvent::RegistrationLost { service: service.clone(), reason }).await?;
    }
    let subject = Subject::Registration(service.clone());
    match result {
        Ok(()) if deregister => Ok(Finished { subject, attempt: Attempt::Done, change: Change::Deregistered(service) }),
        Ok(()) => Ok(Finished { subject, attempt: Attempt::Done, change: Change::Registered(service, version) }),
        Err(error) => {
            let attempt = failed(&context, ClientCall::Register, service.to_string(), &error).await?;
            Ok(Finished { subject, attempt, change: Change::Nothing })
        }
    }
}

async fn send_registration(
    link: &Link,
    service: &ServiceName,
    mut instances: Vec<NacosInstance>,
) -> Result<(), CallError> {
    let ServiceName { namespace, group, service } = service.clone();
    if instances.len() > 1 {
        let request = BatchInstanceRequest {
            namespace,
            service_name: service,
            group_name: group,
            operation: instance_operation::BATCH_REGISTER.to_owned(),
            instances: instances.into(),
            ..BatchInstanceRequest::default()
        };
        return link.call(request).await.map(drop);
    }
    let instance = instances.pop();
    let operation = if instance.is_some() { instance_operation::REGISTER } else { instance_operation::DEREGISTER };
    // A deregistration drops all that this connection has for the service; the servers only want some address to be there.
    let nobody = || NacosInstance { ip: "0.0.0.0".to_owned(), port: 1, ..NacosInstance::default() };
    let request = InstanceRequest {
        namespace,
        service_name: service,
        group_name: group,
        operation: operation.to_owned(),
        instance: instance.unwrap_or_else(nobody).into(),
        ..InstanceRequest::default()
    };
    link.call(request).await.map(drop)
}

pub(super) async fn listen_configs(
    context: Context,
    link: Arc<Link>,
    batch: Vec<ConfigName>,
    request: ConfigBatchListenRequest,
) -> Result<Finished, OwnerGone> {
    let namespace = batch.first().map_or_else(String::new, |config| config.namespace.clone());
    let (subject, listen) = (Subject::Configs(namespace.clone()), request.listen);
    let response = link.answer(request, LISTEN_TIMEOUT).await.and_then(super::succeeded);
    match response {
        Ok(response) if listen => {
            for changed in response.changed_configs {
                let listened = context.shared.memory().listened(changed.into());
                if let Some(config) = listened {
                    context.tell(ClientEvent::ConfigChanged { config }).await?;
                }
            }
            Ok(Finished { subject, attempt: Attempt::Done, change: Change::Listening(batch) })
        }
        Ok(_) => Ok(Finished { subject, attempt: Attempt::Done, change: Change::NotListening(batch) }),
        Err(error) => {
            let attempt = failed(&context, ClientCall::Listen, namespace, &error).await?;
            Ok(Finished { subject, attempt, change: Change::NotListened(batch) })
        }
    }
}

pub(super) fn fuzzy_watch_request(
    namespace: &str,
    received_group_keys: Vec<String>,
    watch_type: &str,
    initializing: bool,
) -> NamingFuzzyWatchRequest {
    NamingFuzzyWatchRequest {
        namespace: namespace.to_owned(),
        group_key_pattern: super::fuzzy::pattern_of(namespace),
        received_group_keys,
        watch_type: watch_type.to_owned(),
        initializing,
        ..NamingFuzzyWatchRequest::default()
    }
}

pub(super) async fn watch(
    context: Context,
    link: Arc<Link>,
    namespace: String,
    request: NamingFuzzyWatchRequest,
) -> Result<Finished, OwnerGone> {
    let subject = Subject::Pattern(namespace.clone());
    let cancel = request.watch_type == watch_type::CANCEL;
    match link.call(request).await {
        Ok(_) if cancel => Ok(Finished { subject, attempt: Attempt::Done, change: Change::NotWatching(namespace) }),
        Ok(_) => Ok(Finished { subject, attempt: Attempt::Done, change: Change::Watching(namespace) }),
        Err(CallError::Server { code, message, .. })
            if [error_code::FUZZY_PATTERNS_OVER_LIMIT, error_code::FUZZY_KEYS_OVER_LIMIT].contains(&code) =>
        {
            context.tell(ClientEvent::FuzzyWatchLimited { namespace: namespace.clone(), message }).await?;
            // With too many keys the watch stands, cut off; with too many patterns it does not.
            let (attempt, change) = match code {
                error_code::FUZZY_KEYS_OVER_LIMIT => (Attempt::Done, Change::Watching(namespace)),
                _ => (Attempt::Refused, Change::Nothing),
            };
            Ok(Finished { subject, attempt, change })
        }
        Err(error) => {
            let attempt = failed(&context, ClientCall::FuzzyWatch, namespace, &error).await?;
            Ok(Finished { subject, attempt, change: Change::Nothing })
        }
    }
}
