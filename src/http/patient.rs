//! A connection that is cut when its client takes nothing for too long.
//!
//! What comes in: a stream of bytes, and for how long it may take none. What goes out: the same
//! stream. What may fail: a write, when that time has passed without one byte having gone out. What
//! must stay true: a client that reads slowly is waited for, one that does not read at all is not;
//! whatever was to be sent to it is given up with the connection, so it costs no memory.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// See the module.
pub struct Patient<S> {
    stream: S,
    patience: Duration,
    /// Runs from the first write that did not go out; none while all do.
    waits: Option<Pin<Box<Sleep>>>,
}

impl<S> Patient<S> {
    /// Gives a stream so much patience.
    pub const fn new(stream: S, patience: Duration) -> Self {
        Self {
            stream,
            patience,
            waits: None,
        }
    }

    /// Looks whether a write went out, and how long none has.
    fn look<T>(
        &mut self,
        written: Poll<io::Result<T>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.waits = None;
            return written;
        }
        let patience = self.patience;
        let waits = self.waits.get_or_insert_with(|| Box::pin(sleep(patience)));
        ready!(waits.as_mut().poll(context));
        // Whoever asks again is told the same.
        waits.as_mut().reset(Instant::now());
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.look(written, context)
    }

    // Whoever has several pieces need not copy them together.
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, pieces);
        self.look(written, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.look(flushed, context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.stream).poll_shutdown(context);
        self.look(shut, context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    #[tokio::test]
    async fn who_reads_is_waited_for_and_who_does_not_is_cut() {
        let patience = Duration::from_secs(2);
        let (ours, mut theirs) = duplex(8);
        let mut ours = Patient::new(ours, patience);
        let reads = tokio::spawn(async move {
            let mut one = [0; 1];
            for _ in 0..12 {
                tokio::time::sleep(Duration::from_millis(250)).await;
                theirs.read_exact(&mut one).await.unwrap();
            }
            theirs
        });
        // Each byte comes within the patience; all of them take longer.
        let begun = Instant::now();
        ours.write_all(&[7; 20]).await.unwrap();
        assert!(begun.elapsed() > patience);
        let theirs = reads.await.unwrap();
        let begun = Instant::now();
        let cut = ours.write_all(&[7; 28]).await.unwrap_err();
        assert_eq!(cut.kind(), io::ErrorKind::TimedOut);
        assert!(begun.elapsed() >= patience);
        drop(theirs);
    }
}
