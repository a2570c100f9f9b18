//! Writes log lines on its own thread, so that no request and no payment waits for the log or fails with it.
//!
//! `tracing-appender` was refused: it does not count lines that it failed to write. At the end it prints to standard
//! output, which panics if that is full too.

use std::{
    io::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use tracing_subscriber::fmt::MakeWriter;

/// Capacity of the queue of lines. Further lines are dropped and counted.
const QUEUED_LINES: usize = 4096;
/// How long the end of a process waits for queued lines.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);
/// How often the thread calls `tick`.
const TICK: Duration = Duration::from_secs(1);
/// How often dropped lines are reported.
const REPORT_EVERY: Duration = Duration::from_secs(10);

enum Message {
    Line(Vec<u8>),
    Flush(SyncSender<()>),
}

/// A bounded queue of lines. A write never waits and never fails.
#[derive(Clone)]
pub(super) struct LogWriter {
    messages: SyncSender<Message>,
    dropped: Arc<AtomicU64>,
}

impl LogWriter {
    /// Starts the thread. It writes to `output` and calls `tick` about once a second.
    pub(super) fn start(
        output: impl Write + Send + 'static,
        tick: impl Fn(Instant) + Send + 'static,
    ) -> io::Result<Self> {
        let (messages, receiver) = sync_channel(QUEUED_LINES);
        let dropped = Arc::new(AtomicU64::new(0));
        let mut thread = LogThread {
            output,
            is_torn: false,
            dropped: dropped.clone(),
            reported: 0,
            next_report: Instant::now(),
        };
        thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || thread.run(&receiver, &tick))?;
        Ok(Self { messages, dropped })
    }

    /// Number of dropped lines since the start: the queue was full, or a write failed.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Waits until the queued lines are written, at most [`FLUSH_TIMEOUT`].
    pub(super) fn flush(&self) {
        let until = Instant::now() + FLUSH_TIMEOUT;
        let (done, written) = sync_channel(1);
        let mut message = Message::Flush(done);
        // The queue may be full while the output blocks.
        while let Err(error) = self.messages.try_send(message) {
            let std::sync::mpsc::TrySendError::Full(back) = error else {
                return;
            };
            if Instant::now() > until {
                return;
            }
            message = back;
            thread::sleep(Duration::from_millis(1));
        }
        let _ = written.recv_timeout(until.saturating_duration_since(Instant::now()));
    }
}

impl Write for LogWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self
            .messages
            .try_send(Message::Line(line.to_vec()))
            .is_err()
        {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for LogWriter {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

struct LogThread<W> {
    output: W,
    /// Whether the last write failed, perhaps within a line.
    is_torn: bool,
    dropped: Arc<AtomicU64>,
    reported: u64,
    next_report: Instant,
}

impl<W: Write> LogThread<W> {
    fn run(&mut self, messages: &Receiver<Message>, tick: &impl Fn(Instant)) {
        let mut next_tick = Instant::now() + TICK;
        loop {
            let wait = next_tick.saturating_duration_since(Instant::now());
            match messages.recv_timeout(wait) {
                Ok(Message::Line(line)) => self.write(&line),
                // After the timeout, the receiver is gone.
                Ok(Message::Flush(done)) => drop(done.try_send(())),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            let now = Instant::now();
            if now >= next_tick {
                next_tick = now + TICK;
                tick(now);
                self.report_dropped(now);
            }
        }
    }

    fn write(&mut self, line: &[u8]) {
        let written = if self.is_torn {
            self.output
                .write_all(b"\n")
                .and_then(|()| self.output.write_all(line))
        } else {
            self.output.write_all(line)
        };
        self.is_torn = written.is_err();
        if self.is_torn {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Logs how many lines were dropped. This line may be dropped too.
    fn report_dropped(&mut self, now: Instant) {
        let dropped = self.dropped.load(Ordering::Relaxed);
        if dropped == self.reported || now < self.next_report {
            return;
        }
        self.next_report = now + REPORT_EVERY;
        tracing::warn!(
            lines = dropped - self.reported,
            "log lines were dropped: they could not be written, or not fast enough"
        );
        self.reported = dropped;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// An output that fails when it is full.
    #[derive(Clone, Default)]
    struct Disk(Arc<Mutex<(bool, Vec<u8>)>>);

    impl Disk {
        fn set_full(&self, is_full: bool) {
            self.0.lock().unwrap().0 = is_full;
        }

        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().1.clone()).unwrap()
        }
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut disk = self.0.lock().unwrap();
            if disk.0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            disk.1.extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_that_cannot_be_written_are_counted_and_later_ones_are_whole() {
        let disk = Disk::default();
        let mut writer = LogWriter::start(disk.clone(), |_| {}).unwrap();
        writer.write_all(b"one\n").unwrap();
        LogWriter::flush(&writer);
        disk.set_full(true);
        writer.write_all(b"two\n").unwrap();
        writer.write_all(b"three\n").unwrap();
        LogWriter::flush(&writer);
        assert_eq!(writer.dropped(), 2);
        disk.set_full(false);
        writer.write_all(b"four\n").unwrap();
        LogWriter::flush(&writer);
        assert_eq!(disk.text(), "one\n\nfour\n");
    }

    #[test]
    fn an_output_that_blocks_drops_lines_and_holds_nobody_up() {
        let (reader, output) = io::pipe().unwrap();
        let mut writer = LogWriter::start(output, |_| {}).unwrap();
        let line = [b'x'; 1024];
        // More than the capacity of the pipe and the queue.
        for _ in 0..2 * QUEUED_LINES {
            writer.write_all(&line).unwrap();
        }
        assert!(writer.dropped() > 0);
        LogWriter::flush(&writer);
        drop(reader);
    }
}
