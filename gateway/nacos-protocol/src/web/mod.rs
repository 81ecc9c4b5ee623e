//! The HTTP API of a Nacos as its clients know it, versions 1, 2 and 3: how parameters are read and what is said of them, and how services and
//! instances are shown. It answers nothing; whoever does writes the routes.

mod answer;
mod params;
mod shown;

pub use answer::{ParamFailure, WebVersion, WrappedAnswer, bare_answer, failure, missing};
pub use params::{RequestParams, is_form, token_in, token_of};
pub use shown::{shown_instance, shown_service};
