//! What was sent is never sent again: the upstream may have acted on it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use tokio::io::AsyncWriteExt;

use crate::tests::upstream::{Upstream, get, read_request, send};
use crate::{Acting, Limits, Method, OutboundError, OutboundRequest};

#[tokio::test]
async fn a_request_that_was_read_and_not_answered_is_not_sent_again() {
    let read = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&read);
    // The first of each connection is answered, so that the next one finds it idle; that is read, and the connection broken.
    let upstream = Upstream::start(move |mut stream| {
        let counter = Arc::clone(&counter);
        async move {
            read_request(&mut stream).await;
            if stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.is_ok()
                && read_request(&mut stream).await.is_some()
            {
                counter.fetch_add(1, SeqCst);
            }
        }
    })
    .await;
    for (sent, method) in [Method::Get, Method::Put, Method::Post, Method::Delete].into_iter().enumerate() {
        let gate = upstream.gate(Limits::default());
        assert_eq!(send(&gate, get(upstream.url("/"))).await.unwrap().status, 200);
        let request = OutboundRequest { method, ..get(upstream.url("/")) };
        let permitted = gate.permit(request, Acting::Anything).unwrap();
        let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(30);
        let answer = gate.send(permitted, deadline).await;
        assert!(matches!(answer, Err(OutboundError::Connection(_))), "{method:?}: {answer:?}");
        assert_eq!(read.load(SeqCst), sent + 1, "{method:?} was read once");
        assert_eq!(upstream.connections(), sent + 1, "and no other connection was made for it");
    }
}
