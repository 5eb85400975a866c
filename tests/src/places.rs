//! Destinations that are no good: one that refuses, one that hangs, one that swallows.
//!
//! Each holds its port for as long as it lives, so nobody else can be met there.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use tokio::net::TcpSocket;
use tokio::runtime::{Builder, Runtime};

/// A port that is bound and not listened to: connections are refused.
#[derive(Debug)]
pub struct Refusing(TcpSocket);

impl Refusing {
    /// Takes a free port of 127.0.0.1.
    pub fn start() -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind(anywhere()).expect("a free port");
        Self(socket)
    }

    /// Where it is.
    pub fn address(&self) -> SocketAddr {
        self.0.local_addr().expect("it is bound")
    }
}

/// A listener whose connections are taken by the system, and that never answers.
#[derive(Debug)]
pub struct Hanging(TcpListener);

impl Hanging {
    /// Takes a free port of 127.0.0.1.
    pub fn start() -> Self {
        Self(TcpListener::bind(anywhere()).expect("a free port"))
    }

    /// Where it is.
    pub fn address(&self) -> SocketAddr {
        self.0.local_addr().expect("it is bound")
    }
}

/// A listener whose backlog is full: connecting to it takes forever.
#[derive(Debug)]
pub struct BlackHole {
    address: SocketAddr,
    _listener: tokio::net::TcpListener,
    _waiting: Vec<TcpStream>,
    _runtime: Runtime,
}

impl BlackHole {
    /// Takes a free port of 127.0.0.1 and fills its backlog.
    pub fn start() -> Self {
        let runtime = Builder::new_current_thread().enable_io().build();
        let runtime = runtime.expect("a runtime");
        // A listener of the standard library would have a long backlog.
        let listener = runtime.block_on(async {
            let socket = TcpSocket::new_v4()?;
            socket.bind(anywhere())?;
            socket.listen(0)
        });
        let listener = listener.expect("a listener");
        let address = listener.local_addr().expect("it is bound");
        let mut waiting = Vec::new();
        while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(500)) {
            waiting.push(stream);
            assert!(waiting.len() < 10_000, "the backlog has no end");
        }
        Self {
            address,
            _listener: listener,
            _waiting: waiting,
            _runtime: runtime,
        }
    }

    /// Where it is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

fn anywhere() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}
