//! Traces of exchanges: what W3C Trace Context passes from hop to hop, what is collected of an exchange while it lasts, and the spans of
//! OpenTelemetry that are made of it where they are wanted. Who sends them to a collector is `otlp`.
//!
//! Which exchanges are exported is decided twice. When one begins, its parent decides, or a draw where there is none: what follows is told to
//! backends by the flag `sampled`. When it ends, those that failed or were slow are exported as well, so all exchanges are collected while
//! `[otlp]` is on: in a structure that its worker uses again and again, without a reading of the clock beyond those that are made anyway.

pub mod attributes;
mod context;
mod exchange;
mod hex;
mod ids;
mod queue;
mod spans;
mod tracer;

pub use context::{Parent, TRACEPARENT, TRACESTATE, TraceId, Traceparent};
pub use exchange::{AttemptTrace, ExchangeTrace, RequestFacts};
pub use queue::{DropReason, Queue, Spans};
pub use spans::{End, SampledBy};
pub use tracer::Tracer;
