//! Lookups as clients read them.
