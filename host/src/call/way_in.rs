//! Where calls enter the line, each in a task of its own, and where the hub waits for the last of them.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Answer, Call, CallError, Hub};

impl Hub {
    /// Walks the line. When this future is dropped the call is cancelled, and recorded as that.
    pub async fn call(self: &Arc<Self>, call: Call) -> Answer {
        self.call_until(call, CancellationToken::new()).await
    }

    /// Walks the line until `gone` is cancelled: then the call is, and its answer is what the line made of it and has
    /// recorded. When this future is dropped, `gone` is cancelled too.
    pub async fn call_until(self: &Arc<Self>, call: Call, gone: CancellationToken) -> Answer {
        let _cancels_when_dropped = gone.clone().drop_guard();
        let hub = Arc::clone(self);
        // In a task of its own, so that recording does not depend on anybody waiting for the answer.
        match self.calls.spawn(async move { hub.walk(call, gone).await }).await {
            Ok(answer) => answer,
            Err(error) => {
                tracing::error!(%error, "a call's task broke");
                Answer { id: Uuid::now_v7(), outcome: Err(CallError::Internal) }
            }
        }
    }

    /// Waits until every call has been recorded. No new ones should come.
    pub async fn drain(&self) {
        self.calls.close();
        self.calls.wait().await;
    }
}
