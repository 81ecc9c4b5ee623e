//! The last answers to reads of config items over HTTP, for when the local Nacos cannot be reached.
//!
//! An answer is given again only to who asked for the same in the same words, from the same address, and showed the same: Nacos judged that, and chose the
//! variant for it. Who signs each call shows something else each time, and gets no copy. "There is none" is no copy: it would look like a removal.
//!
//! Bounds: so many answers, so many bytes of each and of all; what was not asked for the longest time goes first.

use std::collections::{BTreeMap, HashMap};
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::response::{IntoResponse, Response};
use http::header::SET_COOKIE;
use http::{HeaderMap, Method, StatusCode};
use http_body::{Frame, SizeHint};
use nacos_protocol::cluster::PassedRequest;

/// Answers: ten items for each of a thousand clients.
const MOST_ANSWERS: usize = 10_000;
/// Bytes of one; larger ones are passed on and not kept.
const MOST_EACH: usize = 1 << 20;
/// Bytes of all.
const MOST_BYTES: usize = 32 << 20;

/// Reads of one item. Listings are not among them: they have `search`.
const READS: [&str; 3] = ["v1/cs/configs", "v2/cs/config", "v3/client/cs/config"];
/// By which Nacos tells callers apart.
const SHOWN: [&str; 9] = [
    "accesstoken",
    "authorization",
    "spas-accesskey",
    "spas-signature",
    "spas-securitytoken",
    "timestamp",
    "vipserver-tag",
    "x-forwarded-for",
    "x-real-ip",
];

/// What was asked for, by whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct ReadKey([u8; 32]);

impl ReadKey {
    /// Of a request that reads one item.
    pub(super) fn of(request: &PassedRequest) -> Option<Self> {
        let reads = request.method == Method::GET && READS.contains(&&*request.path);
        let lists = url::form_urlencoded::parse(request.query.as_bytes()).any(|(name, _)| name == "search");
        if !reads || lists {
            return None;
        }
        let mut hash = blake3::Hasher::new();
        let mut take = |bytes: &[u8]| {
            hash.update(&(bytes.len() as u64).to_le_bytes()).update(bytes);
        };
        take(request.path.as_bytes());
        take(request.query.as_bytes());
        for name in SHOWN {
            for value in request.headers.get_all(name) {
                take(name.as_bytes());
                take(value.as_bytes());
            }
        }
        Some(Self(*hash.finalize().as_bytes()))
    }
}

#[derive(Clone)]
struct LastAnswer {
    headers: HeaderMap,
    body: Bytes,
}

/// See the module.
#[derive(Default)]
pub(crate) struct LastAnswers(Mutex<Kept>); // Locked for one operation, never across an await.

#[derive(Default)]
struct Kept {
    answers: HashMap<ReadKey, (LastAnswer, u64)>,
    by_use: BTreeMap<u64, ReadKey>,
    bytes: usize,
    uses: u64,
}

impl LastAnswers {
    /// Notes what Nacos answers, and gives it back as it was.
    pub(super) async fn note(&self, key: ReadKey, answer: Response) -> Response {
        let (head, mut body) = answer.into_parts();
        if head.status != StatusCode::OK {
            if !head.status.is_server_error() {
                self.kept().forget(&key); // It is gone, or not this caller's any more.
            }
            return Response::from_parts(head, body);
        }
        let begun = match begin(&mut body).await {
            Begun::Whole(bytes) => {
                let mut kept = self.kept();
                kept.forget(&key);
                // Versions 2 and 3 say in the body whether there is such an item.
                if !bytes.starts_with(b"{\"code\":") || bytes.starts_with(b"{\"code\":0,") {
                    let mut headers = head.headers.clone();
                    headers.remove(SET_COOKIE); // Of that one answer.
                    kept.keep(key, LastAnswer { headers, body: bytes.clone() });
                }
                Body::from(bytes)
            }
            Begun::Larger(first) => Body::new(Continued { first: Some(first), rest: body }),
        };
        Response::from_parts(head, begun)
    }

    /// Whether there is a last answer.
    pub(super) fn has(&self, key: &ReadKey) -> bool {
        self.kept().answers.contains_key(key)
    }

    /// The last answer, if there was one.
    pub(super) fn get(&self, key: &ReadKey) -> Option<Response> {
        let LastAnswer { headers, body } = self.kept().get(key)?;
        Some((headers, body).into_response())
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn keep(&mut self, key: ReadKey, answer: LastAnswer) {
        self.bytes += answer.body.len();
        let used = self.next_use(key);
        self.answers.insert(key, (answer, used));
        while self.answers.len() > MOST_ANSWERS || self.bytes > MOST_BYTES {
            let Some((_, oldest)) = self.by_use.first_key_value() else { return };
            let oldest = *oldest;
            self.forget(&oldest);
        }
    }

    fn get(&mut self, key: &ReadKey) -> Option<LastAnswer> {
        let used = self.next_use(*key);
        let Some((answer, before)) = self.answers.get_mut(key) else {
            self.by_use.remove(&used);
            return None;
        };
        let (before, answer) = (std::mem::replace(before, used), answer.clone());
        self.by_use.remove(&before);
        Some(answer)
    }

    fn forget(&mut self, key: &ReadKey) {
        if let Some((answer, used)) = self.answers.remove(key) {
            self.bytes -= answer.body.len();
            self.by_use.remove(&used);
        }
    }

    fn next_use(&mut self, key: ReadKey) -> u64 {
        self.uses += 1;
        self.by_use.insert(self.uses, key);
        self.uses
    }
}

/// What was read of a body.
enum Begun {
    /// All of it.
    Whole(Bytes),
    /// More than is kept, or it broke off: what has come, and the rest is to follow.
    Larger(Bytes),
}

async fn begin(body: &mut Body) -> Begun {
    let mut read = Vec::new();
    while read.len() <= MOST_EACH {
        match std::future::poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await {
            None => return Begun::Whole(read.into()),
            Some(Ok(frame)) => read.extend_from_slice(frame.data_ref().map_or(&[], |data| data)),
            Some(Err(_)) => break, // The rest says so again.
        }
    }
    Begun::Larger(read.into())
}

/// A body of which a part was read before.
struct Continued {
    first: Option<Bytes>,
    rest: Body,
}

impl HttpBody for Continued {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        match self.first.take() {
            Some(first) => Poll::Ready(Some(Ok(Frame::data(first)))),
            None => Pin::new(&mut self.rest).poll_frame(cx),
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u8) -> ReadKey {
        ReadKey([number; 32])
    }

    fn request(query: &str, headers: &[(&str, &str)]) -> PassedRequest {
        let headers = headers.iter().map(|(name, value)| {
            let name: http::HeaderName = name.parse().expect("a name");
            (name, value.parse().expect("a value"))
        });
        PassedRequest {
            method: Method::GET,
            path: "v1/cs/configs".into(),
            query: query.into(),
            headers: headers.collect(),
            body: Bytes::new(),
            within: std::time::Duration::ZERO,
        }
    }

    #[test]
    fn a_copy_is_for_who_asked_the_same_and_showed_the_same() {
        let of = |query: &str, headers: &[(&str, &str)]| ReadKey::of(&request(query, headers));
        let one = of("dataId=d", &[("accessToken", "t"), ("requestid", "1")]);
        assert_eq!(one, of("dataId=d", &[("accessToken", "t"), ("requestid", "2")]));
        for (query, headers) in [
            ("dataId=e", &[("accessToken", "t")][..]),
            ("dataId=d", &[("accessToken", "u")]),
            ("dataId=d", &[]),
            ("dataId=d", &[("accessToken", "t"), ("x-forwarded-for", "10.0.0.1")]),
            ("dataId=d", &[("accessToken", "t"), ("vipserver-tag", "gray")]),
        ] {
            assert_ne!(one, of(query, headers), "{query} {headers:?}");
        }
        assert_eq!(of("search=blur&dataId=d", &[]), None);
    }

    #[tokio::test]
    async fn what_is_there_is_kept_and_what_is_gone_or_refused_or_large_is_not() {
        let answers = LastAnswers::default();
        let told = async |status: u16, body: Vec<u8>| {
            let status = StatusCode::from_u16(status).expect("a status");
            let answer = answers.note(key(1), (status, body.clone()).into_response()).await;
            let given = axum::body::to_bytes(answer.into_body(), usize::MAX).await.expect("it is whole");
            assert_eq!(given, body, "as it was");
            answers.get(&key(1)).is_some()
        };
        assert!(told(200, b"x".to_vec()).await);
        assert!(told(503, b"starting".to_vec()).await, "nothing is said of the item");
        assert!(!told(404, b"gone".to_vec()).await);
        assert!(told(200, b"{\"code\":0,\"data\":1}".to_vec()).await);
        assert!(!told(200, b"{\"code\":20004,\"data\":null}".to_vec()).await);
        assert!(told(200, vec![b'x'; MOST_EACH]).await);
        assert!(!told(403, Vec::new()).await);
        assert!(!told(200, vec![b'x'; MOST_EACH + 1]).await);
    }

    #[test]
    fn the_answers_asked_for_the_longest_ago_go_first() {
        let mut kept = Kept::default();
        let answer = |bytes: usize| LastAnswer { headers: HeaderMap::new(), body: vec![0; bytes].into() };
        let most = u8::try_from(MOST_BYTES / MOST_EACH).expect("a few");
        for number in 0..most {
            kept.keep(key(number), answer(MOST_EACH));
        }
        assert!(kept.get(&key(0)).is_some() && kept.get(&key(100)).is_none());
        kept.keep(key(most), answer(1));
        assert!(kept.get(&key(1)).is_none() && kept.get(&key(0)).is_some());
        assert_eq!((kept.by_use.len(), kept.bytes), (kept.answers.len(), MOST_BYTES - MOST_EACH + 1));
    }
}
