//! One trace follows one event: from the local Nacos (`nacos event`), through the log (header `traceparent`), to the view
//! of every gateway that reads it (`view change`). Where nobody collects, no span is ever made.

use std::sync::atomic::{AtomicBool, Ordering};

use federation_core::input::{Input, LocalInput};
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator};
use opentelemetry::trace::TraceContextExt;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// Whether spans are wanted: set once, when a collector is.
static COLLECTED: AtomicBool = AtomicBool::new(false);
const TRACEPARENT: &str = "traceparent";

/// Says whether anybody collects spans; once, at the start.
pub fn set_collected(collected: bool) {
    COLLECTED.store(collected, Ordering::Relaxed);
}

/// The span of an input: continues the trace that it came with, or begins one at an event of the local Nacos. `None` where
/// nobody collects, for other inputs, and for records without a trace.
#[must_use]
pub fn span_of(input: &Input, traceparent: Option<&str>) -> Option<tracing::Span> {
    if !COLLECTED.load(Ordering::Relaxed) {
        return None;
    }
    match (input, traceparent) {
        (_, Some(traceparent)) => {
            let span = tracing::info_span!("view change");
            let parent = TraceContextPropagator::new().extract(&Header(Some(traceparent.to_owned())));
            span.set_parent(parent).ok()?;
            Some(span)
        }
        (Input::Local(LocalInput::Listed { service, .. } | LocalInput::Acknowledged { service, .. }), None) => {
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
