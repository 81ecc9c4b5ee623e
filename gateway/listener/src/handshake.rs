//! From a connection to TLS on it, or to the reason why there is none.
//!
//! It has no deadline of its own: a peer has as long for its handshake and the greeting after it as others have for the greeting alone,
//! and who is silent is cut by its listener. It runs in the task of its connection and holds up nobody else.

use std::io;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::certificate::{InvalidCertificate, PeerCertificate};
use crate::connection::PeerConnection;
use crate::gate::TurnedAway;
use crate::socket::Wire;
use crate::tls::ListenerTls;

/// With what every client of TLS begins: a record of a handshake (RFC 8446, section 5.1).
const HANDSHAKE_RECORD: u8 = 22;

/// What somebody with a browser or curl reads.
const PLAIN_ANSWER: &[u8] =
    b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\ncontent-length: 44\r\nconnection: close\r\n\r\n\
      This port speaks TLS: its URL is https://...";

/// For a peer that was refused, to read why and leave: some round trips. Longer, and strangers would hold connections.
const PARTING: Duration = Duration::from_secs(1);

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HandshakeFailure {
    #[error("it left without a word")]
    Left,
    #[error("it cannot be read from: {0}")]
    Broken(io::Error),
    #[error("it speaks plain text")]
    PlainText,
    #[error("its certificate is refused: {0}")]
    Refused(rustls::Error),
    #[error("its certificate cannot be read")]
    Certificate(#[from] InvalidCertificate),
    #[error("no agreement: {0}")]
    Failed(io::Error),
}

impl HandshakeFailure {
    /// What is counted; who connects to see whether somebody listens and leaves again is not.
    pub(crate) fn reason(&self) -> Option<TurnedAway> {
        match self {
            Self::Left | Self::Broken(_) => None,
            Self::PlainText => Some(TurnedAway::PlainText),
            Self::Refused(_) | Self::Certificate(_) => Some(TurnedAway::Certificate),
            Self::Failed(_) => Some(TurnedAway::Handshake),
        }
    }
}

/// The server's part of the handshake. The connection then knows that it is encrypted, and whose it is. Not to be gone on with once
/// dropped.
pub(crate) async fn shake(
    wire: Wire,
    tls: &ListenerTls,
    connection: &PeerConnection,
) -> Result<Box<TlsStream<Wire>>, HandshakeFailure> {
    match wire.first_byte().await {
        Ok(Some(HANDSHAKE_RECORD)) => {}
        Ok(Some(_)) => {
            tell_plainly(wire).await;
            return Err(HandshakeFailure::PlainText);
        }
        Ok(None) => return Err(HandshakeFailure::Left),
        Err(error) => return Err(HandshakeFailure::Broken(error)),
    }
    let stream = match TlsAcceptor::from(tls.in_force()).accept(wire).into_fallible().await {
        Ok(stream) => stream,
        Err((error, wire)) => {
            part(wire).await;
            return Err(judged(error));
        }
    };
    let shown = stream.get_ref().1.peer_certificates().and_then(<[CertificateDer<'_>]>::first);
    let certificate = shown.map(PeerCertificate::read).transpose()?;
    connection.secure(certificate);
    Ok(Box::new(stream))
}

fn judged(error: io::Error) -> HandshakeFailure {
    let of_tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match of_tls {
        Some(refused @ (rustls::Error::NoCertificatesPresented | rustls::Error::InvalidCertificate(_))) => {
            HandshakeFailure::Refused(refused.clone())
        }
        _ => HandshakeFailure::Failed(error),
    }
}

/// Lets a peer that was refused read why. It may have sent its request behind its certificate, and a socket that is closed with bytes unread
/// takes back what was written to it last: the alert.
async fn part(mut wire: Wire) {
    let leaving = async {
        let _ = wire.shutdown().await; // It may have left.
        let mut rest = [0; 1024];
        while matches!(wire.read(&mut rest).await, Ok(1..)) {}
    };
    let _ = tokio::time::timeout(PARTING, leaving).await;
}

/// A request of HTTP/1 gets a word in its own language; all else would not understand one.
async fn tell_plainly(mut wire: Wire) {
    let mut begun = [0; 1024];
    let Ok(length) = wire.read(&mut begun).await else { return };
    let first = begun[..length].split(|byte| *byte == b' ').next().unwrap_or_default();
    if first != b"PRI" && !first.is_empty() && first.iter().all(u8::is_ascii_uppercase) {
        let _ = wire.write_all(PLAIN_ANSWER).await; // It may have left.
        let _ = wire.shutdown().await;
    }
}
