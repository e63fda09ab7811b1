//! The trace format of Chrome and Perfetto,
//! <https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU>.

use super::Profile;
use serde_json::{Value, json};

impl Profile {
    /// For `chrome://tracing` or Perfetto; times are in microseconds.
    pub fn chrome_trace(&self) -> String {
        let names = (0..self.record.threads.len()).map(|thread| {
            let name = match thread {
                0 => "script".to_owned(),
                n => format!("loader {n}"),
            };
            json!({ "name": "thread_name", "ph": "M", "pid": 1, "tid": thread, "args": { "name": name } })
        });
        let spans = self.record.spans.iter().map(|span| {
            json!({
                "name": span.work.name(), "ph": "X", "pid": 1, "tid": span.thread,
                "ts": span.start.as_nanos() as f64 / 1e3, "dur": span.length.as_nanos() as f64 / 1e3,
            })
        });
        let events: Vec<Value> = names.chain(spans).collect();
        json!({ "traceEvents": events, "otherData": { "spans left out": self.record.left_out } })
            .to_string()
    }
}
