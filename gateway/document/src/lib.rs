//! Documents that people write: YAML whose every value knows where it stands, read by a table of fields, with all mistakes at once.
//!
//! The way: [`text_file`] → [`tree`] with [places](place) → `${NAME}` replaced ([`expand`]) → fields of a [`table`] read ([`reader`]) as
//! [`values`]. What is wrong is collected as [`mistakes`]; what is secret is masked ([`secret`]).

pub mod expand;
pub mod mistakes;
pub mod place;
pub mod reader;
pub mod scalar;
pub mod secret;
pub mod sections;
pub mod table;
pub mod text_file;
pub mod tree;
pub mod values;
