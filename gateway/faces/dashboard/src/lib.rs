//! The dashboard: pages for people who look after all clusters, served by every gateway from its own view.
//!
//! The pages are written in TypeScript under `web/` and built into `dist/`, which is committed: whoever builds the gateway needs no Node. They ask the
//! HTTP API of the gateway that served them and nobody else, and keep no registry of their own. This crate is the files alone, each with what a browser
//! is told about it: its type, a tag that changes with its content, and what a page may load and run.

mod file;
mod pages;

pub use self::pages::page;
