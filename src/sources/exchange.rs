//! One request to a server whose connection stands: is it served, or by a proxy that finds nobody behind it?
//!
//! HEAD, so that nothing is sent that a page would hold; what is read is bounded in bytes and in time. TLS is spoken with
//! whoever answers: whether a certificate may be trusted is another question than whether a connection is refused.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use http_body_util::Empty;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::client::verify_server_name;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::server::ParsedCertificate;
use tokio_rustls::rustls::{ClientConfig, DigitallySignedStruct, Error as TlsError, SignatureScheme};

use super::{Trouble, trouble};
use crate::facts::Reading;
use crate::facts::exchange::{Exchange, Request, Said, Tls};

/// A server that answers at all answers a HEAD within this time; a gateway timeout mostly takes a minute.
const WITHIN: Duration = Duration::from_secs(4);
/// Bytes of an answer's head: more is no answer to a HEAD.
const LONGEST_HEAD: usize = 32 << 10;
/// Bytes and characters kept of what is no HTTP.
const LONGEST: usize = 200;

/// Makes one request.
pub(super) async fn ask(request: &Request) -> Reading<Exchange> {
    let began = Instant::now();
    trouble::reading(Box::pin(exchange(request, began, WITHIN)).await.map(Some), began)
}

async fn exchange(request: &Request, began: Instant, within: Duration) -> Result<Exchange, Trouble> {
    let heard = Heard::default();
    let mut tls = None;
    let said = match tokio::time::timeout(within, talk(request, &heard, &mut tls)).await {
        Ok(said) => said?,
        Err(_) => heard.instead(Said::Nothing),
    };
    Ok(Exchange { tls, said, after: began.elapsed() })
}

async fn talk(request: &Request, heard: &Heard, tls: &mut Option<Tls>) -> Result<Said, Trouble> {
    let stream = match TcpStream::connect(request.to).await {
        Ok(stream) => stream,
        Err(error) => return Ok(Said::NotConnected { why: error.to_string() }),
    };
    let stream = Listened { inner: stream, heard: heard.clone() };
    if !request.tls {
        return head(request, stream, heard).await;
    }
    let name = host_of(request);
    let connector = TlsConnector::from(Arc::new(config()?));
    match connector.connect(name.clone(), stream).await {
        Ok(secured) => {
            *tls = Some(agreed(secured.get_ref().1, &name));
            // What was heard so far is TLS.
            heard.forget();
            head(request, secured, &Heard::default()).await
        }
        Err(error) => Ok(without_tls(&error, heard)),
    }
}

/// The name that is asked for, or the address where that is no name.
fn host_of(request: &Request) -> ServerName<'static> {
    let authority: Option<http::uri::Authority> = request.host.parse().ok();
    let host = authority.as_ref().map_or("", http::uri::Authority::host).trim_matches(['[', ']']);
    ServerName::try_from(host.to_owned()).unwrap_or_else(|_| ServerName::IpAddress(request.to.ip().into()))
}

/// TLS with whoever answers.
fn config() -> Result<ClientConfig, Trouble> {
    let provider = Arc::new(ring::default_provider());
    let odd = |error: TlsError| Trouble::failed(format!("TLS cannot be spoken here: {error}"));
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions();
    let config = builder.map_err(odd)?.dangerous().with_custom_certificate_verifier(Arc::new(Anybody(provider)));
    Ok(config.with_no_client_auth())
}

fn agreed(session: &tokio_rustls::rustls::ClientConnection, name: &ServerName<'_>) -> Tls {
    let version = session.protocol_version().and_then(|version| version.as_str()).unwrap_or("TLS");
    let certificate = session.peer_certificates().and_then(|all| all.first());
    let parsed = certificate.and_then(|first| ParsedCertificate::try_from(first).ok());
    let other_name = parsed.map(|certificate| verify_server_name(&certificate, name).is_err());
    Tls { version: version.replace('_', "."), other_name }
}

/// Why there is no TLS.
fn without_tls(error: &io::Error, heard: &Heard) -> Said {
    if is_reset(error) {
        return Said::Reset;
    }
    if error.kind() == io::ErrorKind::UnexpectedEof && heard.is_empty() {
        return Said::HungUp;
    }
    let instead = heard.text().filter(|_| !heard.is_tls());
    Said::NoTls { why: error.to_string().chars().take(LONGEST).collect(), instead }
}

/// Asks for the head of the page.
async fn head<S>(request: &Request, stream: S, heard: &Heard) -> Result<Said, Trouble>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let asked = http::Request::builder()
        .method(http::Method::HEAD)
        .uri(&request.path)
        .header("Host", &request.host)
        .header("User-Agent", concat!("unrefuse/", env!("CARGO_PKG_VERSION")))
        .header("Accept", "*/*")
        .header("Connection", "close")
        .body(Empty::<Bytes>::new())
        .map_err(|error| Trouble::failed(format!("{} cannot be asked for: {error}", request.path)))?;
    let mut client = http1::Builder::new();
    client.max_buf_size(LONGEST_HEAD);
    let (mut sender, connection) = match client.handshake(TokioIo::new(stream)).await {
        Ok(both) => both,
        Err(error) => return Ok(not_http(&error, heard)),
    };
    let answer = async {
        match sender.send_request(asked).await {
            Ok(response) => {
                let server = response.headers().get("server").map(|name| shortened(name.as_bytes()));
                Said::Http { status: response.status().as_u16(), server }
            }
            Err(error) => not_http(&error, heard),
        }
    };
    // Both end with this future: nothing is left to talk behind our back.
    tokio::pin!(answer);
    Ok(tokio::select! {
        biased;
        said = &mut answer => said,
        () = async { drop(connection.await) } => answer.await,
    })
}

/// What was said that is no answer in HTTP.
fn not_http(error: &hyper::Error, heard: &Heard) -> Said {
    let reset =
        std::error::Error::source(error).and_then(|source| source.downcast_ref::<io::Error>()).is_some_and(is_reset);
    heard.instead(if reset { Said::Reset } else { Said::HungUp })
}

fn is_reset(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe)
}

fn shortened(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).chars().take(LONGEST).collect()
}

/// The first bytes that came.
#[derive(Debug, Clone, Default)]
struct Heard(Arc<Mutex<Vec<u8>>>);

impl Heard {
    fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn hear(&self, new: &[u8]) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let room = LONGEST.saturating_sub(kept.len());
        kept.extend(new.iter().take(room));
    }

    fn forget(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn is_empty(&self) -> bool {
        self.bytes().is_empty()
    }

    /// A TLS record: an alert (21) or a handshake (22), version 3.x.
    fn is_tls(&self) -> bool {
        matches!(self.bytes().as_slice(), [21 | 22, 3, ..])
    }

    fn text(&self) -> Option<String> {
        let bytes = self.bytes();
        (!bytes.is_empty()).then(|| shortened(&bytes))
    }

    /// What was said instead of an answer; where nothing was, this.
    fn instead(&self, silent: Said) -> Said {
        if self.is_tls() {
            return Said::Tls;
        }
        self.text().map_or(silent, Said::Other)
    }
}

/// A connection whose first bytes are kept.
struct Listened {
    inner: TcpStream,
    heard: Heard,
}

impl AsyncRead for Listened {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.inner).poll_read(cx, buf);
        if let Some(new) = buf.filled().get(before..) {
            self.heard.hear(new);
        }
        polled
    }
}

impl AsyncWrite for Listened {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

/// Takes every certificate; that the server holds its key is checked all the same.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        let algorithms = &self.0.signature_verification_algorithms;
        tokio_rustls::rustls::crypto::verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        let algorithms = &self.0.signature_verification_algorithms;
        tokio_rustls::rustls::crypto::verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{Ipv4Addr, TcpListener};

    use super::*;

    const SHORT: Duration = Duration::from_millis(400);

    /// What a server that says `says`, `times` over, is told to have said.
    fn said(tls: bool, says: &'static [u8], times: usize) -> Exchange {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let to = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let (mut client, _) = listener.accept().unwrap();
            let _ = client.read(&mut [0; 4096]);
            for _ in 0..times {
                if client.write_all(says).is_err() {
                    return;
                }
            }
            if times == 0 {
                std::thread::sleep(SHORT * 4);
            }
        });
        let request = Request { to, tls, host: "shop.example".into(), path: "/x?y=z".into() };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(exchange(&request, Instant::now(), SHORT)).unwrap()
    }

    #[test]
    fn the_status_and_who_says_it() {
        let told = said(false, b"HTTP/1.1 502 Bad Gateway\r\nServer: nginx/1.22.1\r\nContent-Length: 157\r\n\r\n", 1);
        assert_eq!(told.said, Said::Http { status: 502, server: Some("nginx/1.22.1".into()) });
        assert_eq!((told.gateway_error(), told.tls), (Some(502), None));
        assert_eq!(said(false, b"HTTP/1.0 200 OK\r\n\r\n", 1).gateway_error(), None);
    }

    #[test]
    fn a_server_that_says_something_else() {
        assert_eq!(said(false, b"SSH-2.0-OpenSSH_9.2p1\r\n", 1).said, Said::Other("SSH-2.0-OpenSSH_9.2p1\r\n".into()));
        assert_eq!(said(false, &[21, 3, 1, 0, 2, 2, 22], 1).said, Said::Tls);
        let plain = said(true, b"HTTP/1.1 400 Bad Request\r\n\r\n", 1).said;
        let Said::NoTls { instead: Some(instead), .. } = &plain else { panic!("{plain:?}") };
        assert!(instead.starts_with("HTTP/1.1 400"), "{instead}");
    }

    #[test]
    fn a_server_that_says_nothing_or_never_ends() {
        assert_eq!(said(false, b"", 0).said, Said::Nothing);
        assert_eq!(said(true, b"", 0).said, Said::Nothing);
        assert_eq!(said(false, b"", 1).said, Said::HungUp);
        assert_eq!(said(true, b"", 1).said, Said::HungUp);
        // More than is kept comes in one piece, however busy this machine is.
        let piece = b"\x1b[2J\x1b]0;x\x07 and so on ".repeat(20);
        let Said::Other(endless) = said(false, piece.leak(), 1_000_000).said else { panic!() };
        assert_eq!(endless.chars().count(), LONGEST);
        let Said::Other(endless) =
            said(false, b"HTTP/1.1 200 OK\r\nX: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy", 10_000_000).said
        else {
            panic!()
        };
        assert!(endless.starts_with("HTTP/1.1 200"), "{endless}");
        let lies = said(false, b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\nx", 1);
        assert_eq!(lies.status(), Some(200));
    }
}
