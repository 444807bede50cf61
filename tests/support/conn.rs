//! What a backend does with one of its connections.

use std::sync::Arc;
use std::time::Duration;

use super::message::{Broken, Request};
use super::origin::Log;
use super::wire::Wire;

/// One connection to a backend.
pub struct Conn {
    /// Its number, from 0.
    pub number: usize,
    pub(super) wire: Wire,
    pub(super) log: Arc<Log>,
    /// Whether its end is to be a reset.
    pub(super) resets: bool,
}

impl Conn {
    /// Reads a whole request.
    pub fn request(&mut self) -> Result<Request, Broken> {
        let mut request = Request::read_head(&mut self.wire)?;
        self.finish_request(&mut request)?;
        Ok(request)
    }

    /// Reads the head of a request.
    pub fn request_head(&mut self) -> Result<Request, Broken> {
        Request::read_head(&mut self.wire)
    }

    /// Reads the body after its head.
    pub fn finish_request(&mut self, request: &mut Request) -> Result<(), Broken> {
        request.read_body(&mut self.wire)?;
        self.log.requests.lock().unwrap().push(request.clone());
        Ok(())
    }

    /// Sends bytes as they are; `false` when the proxy does not want them any more.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.wire.send(bytes.as_ref()).is_ok()
    }

    /// Reads exactly this many bytes; `None` when there are not so many.
    pub fn bytes(&mut self, n: usize) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        self.wire.exactly(n, &mut bytes).ok().map(|()| bytes)
    }

    /// Reads some bytes; none at the end, or when the connection broke.
    pub fn some(&mut self) -> Vec<u8> {
        self.wire.some().unwrap_or_default()
    }

    /// Sends back what it gets, until the other side ends.
    pub fn echo(&mut self) {
        loop {
            let some = self.some();
            if some.is_empty() || !self.send(some) {
                return;
            }
        }
    }

    /// Ends our direction.
    pub fn finish(&mut self) {
        self.wire.stream.finish();
    }

    /// Waits until the connection ends; whether it ends by a reset.
    pub fn is_reset(&mut self) -> bool {
        self.wire.at_end() == Err(Broken::Reset)
    }

    /// Waits until the proxy closes the connection; `false` when it sends something instead.
    pub fn is_closed(&mut self) -> bool {
        matches!(self.wire.at_end(), Ok(true) | Err(Broken::Reset))
    }

    /// Reads and writes fail after this time, instead of [`PATIENCE`].
    pub fn set_limit(&self, limit: Duration) {
        self.wire.stream.set_limit(limit);
    }

    /// Makes the close at the end of the script a reset.
    pub fn reset(&mut self) {
        self.wire.stream.reset_on_close();
        self.resets = true;
    }
}
