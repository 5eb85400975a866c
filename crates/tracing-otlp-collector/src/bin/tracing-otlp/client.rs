//! Asks a collector's API over HTTP/1.
//!
//! One connection a request: it is a program for a terminal.

use bytes::Bytes;
use http::{Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::out::Trouble;

pub(crate) struct Client {
    authority: String,
    runtime: Runtime,
}

impl Client {
    pub(crate) fn new(url: &str) -> Result<Self, Trouble> {
        let uri: Uri = url
            .parse()
            .map_err(|_| Trouble::new(format!("{url:?} is no URL")))?;
        let authority = match (uri.scheme_str(), uri.authority()) {
            (Some("http"), Some(authority)) => authority.to_string(),
            _ => {
                return Err(Trouble::new(format!(
                    "{url:?}: the URL must begin with http://"
                )));
            }
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        Ok(Self { authority, runtime })
    }

    /// Asks for JSON.
    pub(crate) fn get(&self, path: &str, params: &[(&str, &str)]) -> Result<Value, Trouble> {
        self.runtime.block_on(async {
            let response = self
                .send(Request::get(with(path, params)), Bytes::new())
                .await?;
            let body = read(response).await?;
            serde_json::from_slice(&body).map_err(|error| Trouble::new(error.to_string()))
        })
    }

    /// Sends JSON; the answer only has to be a success.
    pub(crate) fn post(&self, path: &str, json: Bytes) -> Result<(), Trouble> {
        self.runtime.block_on(async {
            let request = Request::post(path).header("content-type", "application/json");
            read(self.send(request, json).await?).await.map(|_| ())
        })
    }

    /// Follows a stream of events and shows each piece as it comes.
    pub(crate) fn follow(
        &self,
        path: &str,
        params: &[(&str, &str)],
        mut see: impl FnMut(&[u8]) -> Result<(), Trouble>,
    ) -> Result<(), Trouble> {
        self.runtime.block_on(async {
            let response = self
                .send(Request::get(with(path, params)), Bytes::new())
                .await?;
            if response.status() != StatusCode::OK {
                return read(response).await.map(|_| ());
            }
            let mut body = response.into_body();
            while let Some(frame) = body.frame().await {
                let frame = frame.map_err(|error| Trouble::new(error.to_string()))?;
                if let Some(piece) = frame.data_ref() {
                    see(piece)?;
                }
            }
            Ok(())
        })
    }

    async fn send(
        &self,
        request: http::request::Builder,
        body: Bytes,
    ) -> Result<Response<Incoming>, Trouble> {
        let fail = |error: &dyn std::fmt::Display| {
            Trouble::new(format!(
                "no collector answers at http://{}: {error} (start one with `tracing-otlp`, or name it with --url)",
                self.authority
            ))
        };
        let port = if self
            .authority
            .rsplit_once(':')
            .is_some_and(|(_, port)| port.parse::<u16>().is_ok())
        {
            self.authority.clone()
        } else {
            format!("{}:80", self.authority)
        };
        let stream = tokio::net::TcpStream::connect(port)
            .await
            .map_err(|error| fail(&error))?;
        let io = hyper_util::rt::TokioIo::new(stream);
        let (mut sender, connection) = hyper::client::conn::http1::handshake(io)
            .await
            .map_err(|error| fail(&error))?;
        tokio::spawn(connection);
        let request = request
            .header("host", &self.authority)
            .body(Full::new(body))
            .map_err(|error| Trouble::new(error.to_string()))?;
        sender
            .send_request(request)
            .await
            .map_err(|error| fail(&error))
    }
}

/// The body of a success; what the collector says of anything else.
async fn read(response: Response<Incoming>) -> Result<Bytes, Trouble> {
    let status = response.status();
    let body = response
        .into_body()
        .collect()
        .await
        .map_err(|error| Trouble::new(error.to_string()))?
        .to_bytes();
    if status.is_success() {
        return Ok(body);
    }
    let said: Value = serde_json::from_slice(&body).unwrap_or_default();
    let message = said["error"]["message"]
        .as_str()
        .or_else(|| said["message"].as_str())
        .unwrap_or("no reason given");
    let position = said["error"]["position"]
        .as_u64()
        .map_or_else(String::new, |at| format!(" (at {at})"));
    Err(Trouble::new(format!("{status}: {message}{position}")))
}

fn with(path: &str, params: &[(&str, &str)]) -> String {
    let mut uri = path.to_owned();
    for (nth, (name, value)) in params.iter().enumerate() {
        uri.push(if nth == 0 { '?' } else { '&' });
        uri.push_str(name);
        uri.push('=');
        uri.extend(utf8_percent_encode(value, NON_ALPHANUMERIC));
    }
    uri
}
