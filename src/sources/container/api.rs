//! A request to the API that Docker and podman have in common, through a unix socket.

use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;

use crate::sources::Trouble;

/// A container is one to four kilobytes in a list: some two thousand of them.
const MOST_BYTES: usize = 8 << 20;

/// What an engine answers.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// What it says.
    pub body: Bytes,
}

/// Asks within a time. None: nobody listens there.
pub async fn request(socket: &Path, method: Method, path: &str, within: Duration) -> Result<Option<Answer>, Trouble> {
    let asked = tokio::time::timeout(within, exchange(socket, method, path)).await;
    asked.unwrap_or(Err(Trouble::TimedOut { after: within }))
}

async fn exchange(socket: &Path, method: Method, path: &str) -> Result<Option<Answer>, Trouble> {
    let shown = socket.display();
    let stream = match UnixStream::connect(socket).await {
        Ok(stream) => stream,
        // A socket without a server is what a killed one leaves behind.
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => return Ok(None),
        Err(e) => return Err(Trouble::io(&shown.to_string(), &e)),
    };
    let odd = |e: hyper::Error| Trouble::failed(format!("{shown} does not answer as an engine does: {e}"));
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(odd)?;
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("Host", "localhost")
        .header("Connection", "close")
        .body(Empty::<Bytes>::new())
        .map_err(|e| Trouble::failed(format!("{path} cannot be asked for: {e}")))?;
    let answer = async {
        let response = sender.send_request(request).await.map_err(odd)?;
        let status = response.status();
        let body = Limited::new(response.into_body(), MOST_BYTES).collect().await;
        let body = body.map_err(|e| Trouble::failed(format!("what {shown} answers cannot be read: {e}")))?;
        Ok(Some(Answer { status, body: body.to_bytes() }))
    };
    // Both end with this future: nothing is left to talk behind our back.
    tokio::pin!(answer);
    tokio::select! {
        biased;
        answer = &mut answer => answer,
        () = async { drop(connection.await) } => answer.await,
    }
}
