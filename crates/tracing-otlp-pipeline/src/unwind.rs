//! Keeps a panic from ending a thread that others rely on.
//!
//! Stands beside `encode`, `deliver` and the callbacks: the SDK's worker and the delivery thread
//! must outlive any one batch.

use std::{
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    task::Poll,
};

/// The thing panicked; the panic hook has already told the people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Panicked;

/// Runs the closure, and stops a panic here.
pub(crate) fn caught<T>(run: impl FnOnce() -> T) -> Result<T, Panicked> {
    // Nothing that the closures here touch is used again in a broken state: a batch in hand is
    // given up, and locks ignore poisoning because every critical section leaves valid data.
    catch_unwind(AssertUnwindSafe(run)).map_err(|payload| {
        // A payload whose own drop panics would start the game anew.
        std::mem::forget(payload);
        Panicked
    })
}

/// Drives the future, and stops a panic here.
pub(crate) async fn caught_async<F: Future>(future: F) -> Result<F::Output, Panicked> {
    let mut future = pin!(future);
    poll_fn(|cx| match caught(|| future.as_mut().poll(cx)) {
        Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
        Ok(Poll::Pending) => Poll::Pending,
        Err(panicked) => Poll::Ready(Err(panicked)),
    })
    .await
}
