//! Frameworks that people use Nacos through, with nothing but its address changed: applications of one region find and call those of the other.

mod dubbo;
mod spring;

use std::time::Duration;

/// From a change in one region to the other region's application: Nacos, the log, the other door, and the framework's own caches.
const SEEN_WITHIN: Duration = Duration::from_secs(40);
/// A killed process's connections close at once, and Nacos drops with them what was registered on them.
const GONE_WITHIN: Duration = Duration::from_secs(20);
