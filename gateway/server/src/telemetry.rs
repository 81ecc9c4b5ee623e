//! What the program tells about itself while it runs: log lines on standard error, and traces to a collector if one is set.

use std::io::{self, IsTerminal, Write};

use federation_answers::printable::{printable, printable_json};
use federation_ports::trace;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::MakeExt;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::debug_fn;
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
    let lines = tracing_subscriber::fmt::layer();
    match format {
        LogFormat::Text => {
            let lines = lines.with_writer(io::stderr).with_ansi(io::stderr().is_terminal());
            registry.with(lines.fmt_fields(fields_on_a_line())).try_init()?;
        }
        LogFormat::Json => {
            let lines = lines.with_writer(|| JsonLines(io::stderr()));
            registry.with(lines.json().flatten_event(true)).try_init()?;
        }
    }
    trace::set_collected(provider.is_some());
    Ok(TelemetryGuard(provider))
}

/// How a line of text shows what an event says: as people wrote it, but on one line and without what moves a terminal.
fn fields_on_a_line() -> impl for<'writer> FormatFields<'writer> + 'static {
    debug_fn(|writer, field, value| match field.name() {
        "message" => write!(writer, "{}", printable(&format!("{value:?}"))),
        name => write!(writer, "{name}={}", printable(&format!("{value:?}"))),
    })
    .delimited(" ")
}

/// Lines of JSON, each written at once, without a raw control character.
struct JsonLines<W>(W);

impl<W: Write> Write for JsonLines<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.write_all(printable_json(&String::from_utf8_lossy(line)).as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

fn collector(url: &str, ratio: f64) -> Result<SdkTracerProvider, ExporterBuildError> {
    let exporter = SpanExporter::builder().with_tonic().with_endpoint(url).build()?;
    let sampler = Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(ratio)));
    let resource = Resource::builder().with_service_name("nacos-fed").build();
    Ok(SdkTracerProvider::builder().with_batch_exporter(exporter).with_sampler(sampler).with_resource(resource).build())
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// Keeps what is written.
    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Kept {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    fn tell_hostile_things() {
        let who = "mallory\n2026-01-01T00:00:00Z ERROR forged\u{1b}[2J\u{9b}1m\u{202e}";
        let span = tracing::info_span!("drain", %who);
        let _inside = span.enter();
        tracing::info!(%who, reason = who, debugged = ?who, "{who} ordered a drain");
    }

    #[test]
    fn what_others_wrote_forges_no_line_of_a_text_log() {
        let kept = Kept::default();
        let writer = kept.clone();
        let lines = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(move || writer.clone());
        let subscriber = tracing_subscriber::registry().with(lines.fmt_fields(fields_on_a_line()));
        tracing::subscriber::with_default(subscriber, tell_hostile_things);
        let text = kept.text();
        assert_eq!(text.matches('\n').count(), 1, "{text:?}");
        assert!(!text.trim_end().chars().any(|it| it.is_control() || it == '\u{202e}'), "{text:?}");
        assert!(text.contains(r"who=mallory\n2026") && text.contains(r"forged\u{1b}[2J"), "{text:?}");
    }

    #[test]
    fn what_others_wrote_reaches_no_terminal_by_a_json_log() {
        let kept = Kept::default();
        let writer = kept.clone();
        let lines = tracing_subscriber::fmt::layer().with_writer(move || JsonLines(writer.clone()));
        let subscriber = tracing_subscriber::registry().with(lines.json().flatten_event(true));
        tracing::subscriber::with_default(subscriber, tell_hostile_things);
        let text = kept.text();
        assert!(!text.trim_end().chars().any(|it| it.is_control() || it == '\u{202e}'), "{text:?}");
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert!(line["who"].as_str().unwrap().ends_with("forged\u{1b}[2J\u{9b}1m\u{202e}"), "{line}");
    }
}
