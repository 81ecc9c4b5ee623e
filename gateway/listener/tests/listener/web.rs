//! What pages of others have browsers ask.

use bounded_listener::TurnedAway;

use crate::stage::{Running, calm};

/// The answer to a request with these lines in its head.
async fn asked(running: &Running, lines: &str) -> String {
    let mut raw = running.connect().await;
    raw.send(format!("POST /echo HTTP/1.1\r\n{lines}\r\ncontent-length: 2\r\nconnection: close\r\n\r\nab")).await;
    String::from_utf8(raw.rest().await).unwrap()
}

#[tokio::test]
async fn a_page_of_another_origin_and_a_made_up_host_reach_no_face_and_are_counted() {
    let running = Running::start(calm()).await;
    let host = format!("host: {}", running.address);
    for (lines, status, shown) in [
        (host.clone(), "200 OK", "2"),
        (format!("{host}\r\norigin: http://{}", running.address), "200 OK", "2"),
        (format!("{host}\r\norigin: http://evil.example"), "403 Forbidden", "web pages of other origins"),
        (format!("{host}\r\nsec-fetch-site: cross-site"), "403 Forbidden", "web pages of other origins"),
        ("host: evil.example".to_owned(), "421 Misdirected Request", "listen.hosts"),
        (format!("{host}\r\nhost: evil.example"), "421 Misdirected Request", "listen.hosts"),
    ] {
        let answer = asked(&running, &lines).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")) && answer.contains(shown), "{lines}: {answer}");
        assert!(answer.contains("x-content-type-options: nosniff"), "also of what is refused: {answer}");
        assert!(!answer.contains("access-control-"), "{answer}");
    }
    assert_eq!((running.heard.count(TurnedAway::Page), running.heard.count(TurnedAway::Host)), (2, 2));
    assert_eq!(running.heard.trouble(), None, "one page's requests are nobody's trouble");
    assert!(running.ask("/answer/3").await.contains("x-content-type-options: nosniff"));
    running.stop().await;
}
