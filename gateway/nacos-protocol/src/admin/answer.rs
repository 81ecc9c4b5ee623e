//! Reading HTTP answers: which status means what, and the envelope around the data.

use reqwest::StatusCode;
use serde::Deserialize;
use serde::de::{DeserializeOwned, Error as _};

use super::AdminError;
use crate::cluster::HttpAnswer;

/// Codes by which a server says that the thing asked for does not exist.
const ABSENT_CODES: [i64; 2] = [20004, 21008];
/// End of the words by which it says so where it has no code: "service g@@s is not found!", "cluster c is not found!".
const ABSENT_WORDS: &str = "is not found!";

/// What around the data is.
#[derive(Deserialize)]
struct Envelope<T> {
    code: i64,
    message: Option<String>,
    data: Option<T>,
}

#[derive(Deserialize)]
struct Problem {
    code: i64,
    data: Option<serde_json::Value>,
}

/// Sorts an answer by its status. `None`: the server says that the thing asked for does not exist.
///
/// A 404 alone does not say that: a call that a server does not know, or a proxy that knows no server, answers it too.
pub(super) fn sort(answer: HttpAnswer) -> Result<Option<HttpAnswer>, AdminError> {
    let status = answer.status.as_u16();
    match answer.status {
        StatusCode::OK => Ok(Some(answer)),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            Err(AdminError::Refused { status, message: words(&answer) })
        }
        StatusCode::NOT_FOUND | StatusCode::BAD_REQUEST if says_absent(&answer) => Ok(None),
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::GONE | StatusCode::NOT_IMPLEMENTED => {
            Err(AdminError::NotOffered)
        }
        _ => Err(AdminError::Failed { status, message: words(&answer) }),
    }
}

fn says_absent(answer: &HttpAnswer) -> bool {
    match serde_json::from_slice::<Problem>(&answer.body) {
        Ok(problem) => {
            let words = problem.data.as_ref().and_then(serde_json::Value::as_str).unwrap_or_default();
            ABSENT_CODES.contains(&problem.code) || words.ends_with(ABSENT_WORDS)
        }
        Err(_) => std::str::from_utf8(&answer.body).is_ok_and(|text| text.trim_end().ends_with(ABSENT_WORDS)),
    }
}

/// The server's words, cut to 200 characters.
pub(super) fn words(answer: &HttpAnswer) -> String {
    String::from_utf8_lossy(&answer.body).chars().take(200).collect()
}

/// Reads the body as it is.
pub(super) fn bare<T: DeserializeOwned>(path: &'static str, answer: &HttpAnswer) -> Result<T, AdminError> {
    serde_json::from_slice(&answer.body).map_err(|source| AdminError::Malformed { path, source })
}

/// Reads the data out of `{"code": 0, "message", "data"}` (200 in older calls).
pub(super) fn wrapped<T: DeserializeOwned>(path: &'static str, answer: &HttpAnswer) -> Result<T, AdminError> {
    let envelope: Envelope<T> = bare(path, answer)?;
    if envelope.code != 0 && envelope.code != 200 {
        let message = format!("code {}: {}", envelope.code, envelope.message.unwrap_or_default());
        return Err(AdminError::Failed { status: answer.status.as_u16(), message });
    }
    let missing = || AdminError::Malformed { path, source: serde_json::Error::custom("no data") };
    envelope.data.ok_or_else(missing)
}
