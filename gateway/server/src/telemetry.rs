//! What the program tells about itself while it runs: log lines on standard error, and traces to a collector if one is set.
//!
//! One trace follows one event: from the local Nacos (`nacos event`), through the log (header `traceparent`), to the view
//! of every gateway that reads it (`view change`). Without a collector no span is ever made.

use std::io::IsTerminal;
use std::sync::atomic::{AtomicBool, Ordering};

use federation_core::federation::input::{Input, LocalInput};
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator};
use opentelemetry::trace::{TraceContextExt, TracerProvider};
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

use crate::config::{LogFilter, LogFormat, Telemetry};

/// Whether spans are wanted: set once, when a collector is.
static TRACING: AtomicBool = AtomicBool::new(false);
const TRACEPARENT: &str = "traceparent";

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The filter is none.
    #[error("the log filter is not understood")]
    Filter(#[from] ParseError),
    /// The collector's address cannot be used.
    #[error("traces cannot be sent to the collector")]
    Collector(#[from] ExporterBuildError),
    /// This process logs already.
    #[error("logging has been set up before")]
    AlreadySet(#[from] TryInitError),
}

/// Sends what is left when it is dropped; to be kept until the process ends.
pub struct Guard(Option<SdkTracerProvider>);

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(provider) = &self.0
            && let Err(error) = provider.shutdown()
        {
            tracing::warn!(%error, "the last traces were not sent");
        }
    }
}

/// Sends log lines to standard error from now on, and traces to `telemetry.otlp`; once per process, within the runtime.
///
/// # Errors
/// See [`LogError`].
pub fn init(format: LogFormat, level: &LogFilter, telemetry: Option<&Telemetry>) -> Result<Guard, LogError> {
    let collected = telemetry.and_then(|telemetry| Some((telemetry.otlp.as_ref()?, telemetry.sample_ratio.0)));
    let provider = collected.map(|(url, ratio)| collector(url.as_str(), ratio)).transpose()?;
    let spans =
        provider.as_ref().map(|provider| tracing_opentelemetry::layer().with_tracer(provider.tracer("nacos-fed")));
    let registry = tracing_subscriber::registry().with(EnvFilter::builder().parse(&level.0)?).with(spans);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    match format {
        LogFormat::Text => registry.with(lines.with_ansi(std::io::stderr().is_terminal())).try_init()?,
        LogFormat::Json => registry.with(lines.json().flatten_event(true)).try_init()?,
    }
    TRACING.store(provider.is_some(), Ordering::Relaxed);
    Ok(Guard(provider))
}

fn collector(url: &str, ratio: f64) -> Result<SdkTracerProvider, ExporterBuildError> {
    let exporter = SpanExporter::builder().with_tonic().with_endpoint(url).build()?;
    let sampler = Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(ratio)));
    let resource = Resource::builder().with_service_name("nacos-fed").build();
    Ok(SdkTracerProvider::builder().with_batch_exporter(exporter).with_sampler(sampler).with_resource(resource).build())
}

/// The span of an input: continues the trace that it came with, or begins one at an event of the local Nacos. `None` where
/// nobody collects, for other inputs, and for records without a trace.
#[must_use]
pub fn span_of(input: &Input, traceparent: Option<&str>) -> Option<tracing::Span> {
    if !TRACING.load(Ordering::Relaxed) {
        return None;
    }
    match (input, traceparent) {
        (_, Some(traceparent)) => {
            let span = tracing::info_span!("view change");
            let parent = TraceContextPropagator::new().extract(&Header(Some(traceparent.to_owned())));
            span.set_parent(parent).ok()?;
            Some(span)
        }
        (Input::Local(LocalInput::Listed { service, .. }), None) => {
            Some(tracing::info_span!("nacos event", service = %service))
        }
        (Input::Local(LocalInput::Config { key, .. }), None) => Some(tracing::info_span!("nacos event", config = %key)),
        _ => None,
    }
}

/// What to send along so that others continue the span's trace; `None` if it is not sampled.
#[must_use]
pub fn traceparent(span: &tracing::Span) -> Option<String> {
    let context = span.context();
    if !context.span().span_context().is_sampled() {
        return None;
    }
    let mut header = Header(None);
    TraceContextPropagator::new().inject_context(&context, &mut header);
    header.0
}

/// The one header that carries a trace through the log.
struct Header(Option<String>);

impl Extractor for Header {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.as_deref().filter(|_| key == TRACEPARENT)
    }

    fn keys(&self) -> Vec<&str> {
        vec![TRACEPARENT]
    }
}

impl Injector for Header {
    fn set(&mut self, key: &str, value: String) {
        if key == TRACEPARENT {
            self.0 = Some(value);
        }
    }
}
