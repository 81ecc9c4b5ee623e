//! What the program tells about itself while it runs: log lines on standard error, and traces to a collector if one is set.

use std::io::IsTerminal;

use federation_ports::trace;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

use crate::config::{LogFormat, TelemetryConfig};
use federation_document::values::LogFilter;

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
pub struct TelemetryGuard(Option<SdkTracerProvider>);

impl Drop for TelemetryGuard {
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
pub fn init(
    format: LogFormat,
    level: &LogFilter,
    telemetry: Option<&TelemetryConfig>,
) -> Result<TelemetryGuard, LogError> {
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
    trace::set_collected(provider.is_some());
    Ok(TelemetryGuard(provider))
}

fn collector(url: &str, ratio: f64) -> Result<SdkTracerProvider, ExporterBuildError> {
    let exporter = SpanExporter::builder().with_tonic().with_endpoint(url).build()?;
    let sampler = Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(ratio)));
    let resource = Resource::builder().with_service_name("nacos-fed").build();
    Ok(SdkTracerProvider::builder().with_batch_exporter(exporter).with_sampler(sampler).with_resource(resource).build())
}
