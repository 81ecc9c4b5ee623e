//! Who asks, what they may do, and whether that is enough.
//!
//! The problem: whoever reaches a port of a gateway could take a region's traffic away and read every exported config item. So each request
//! is first given an identity (a static token, a JWT of an identity provider, the session of a user who logged in, or a certificate), the identity its
//! roles, and a pure decision,
//! [`judge::judge`], compares them with the right that its path declares. All faces use the same three steps.
//!
//! ```text
//! what a request shows ─▶ AccessAuthority::admit ─▶ CallerIdentity (roles) ─▶ judge(roles, right, subject) ─▶ allowed, or what is missing
//!        (401)                                                                         (403)
//! ```
//!
//! Invariants: what is shown and wrong is refused, never taken for nothing; what no rule gives nobody has; no value of a token is kept,
//! printed or compared byte by byte: digests alone are.

pub mod audit;
pub mod authority;
pub mod book;
pub mod certificate;
pub mod document;
pub mod fields;
pub mod identity;
pub mod judge;
pub mod jwt;
pub mod keeper;
mod key_sets;
pub mod login_brake;
pub mod logins;
pub mod right;
pub mod role;
pub mod sessions;
pub mod token_file;
pub mod tokens;

#[cfg(test)]
mod tests;
