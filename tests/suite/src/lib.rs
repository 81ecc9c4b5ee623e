//! Tests of the whole: see `tests/`, one target each.
