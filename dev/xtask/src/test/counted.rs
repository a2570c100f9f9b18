//! `cargo nextest run`, counted.

use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process,
};

/// How many tests passed and failed.
#[derive(Default, Debug, PartialEq)]
pub(super) struct Count {
    pub(super) passed: u32,
    pub(super) failed: u32,
}

/// Runs `cargo nextest run`, passing its report through, and counts.
pub(super) async fn run(nextest: Command, count: &mut Count) -> Result<()> {
    let mut nextest = process::Command::from(nextest);
    nextest.stdin(Stdio::null()).stderr(Stdio::piped());
    let mut child = nextest.spawn()?;
    let report = child.stderr.take().context("no report")?;
    let mut lines = BufReader::new(report).split(b'\n');
    while let Some(line) = lines.next_segment().await? {
        let line = String::from_utf8_lossy(&line);
        println!("{line}");
        count.read(&line);
    }
    let status = child.wait().await?;
    ensure!(status.success(), "cargo nextest ended with {status}");
    Ok(())
}

impl Count {
    fn read(&mut self, line: &str) {
        // "1 test run:", but "391 tests run:".
        let Some((head, results)) = line.split_once(" run: ") else {
            return;
        };
        if !head.trim_start().starts_with("Summary [") {
            return;
        }
        // "388 passed (2 slow), 1 failed, 2 timed out, 9 skipped"
        for result in results.split(',') {
            let mut words = result.split_whitespace();
            let number = words.next().and_then(|it| it.parse().ok()).unwrap_or(0);
            match words.next() {
                Some("passed") => self.passed = number,
                Some("skipped") | None => {}
                Some(_) => self.failed += number,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Count;

    #[test]
    fn the_summary_is_counted() {
        let mut count = Count::default();
        for line in [
            "        PASS [   0.004s] (1/9) heyi-api it::new_order a_test",
            "7 passed, 1 failed, says a test, in tests run: 4 passed",
            "     Summary [  61.120s] 391 tests run: 386 passed (2 slow), 3 failed, 2 timed out, 9 skipped",
        ] {
            count.read(line);
        }
        let expected = Count {
            passed: 386,
            failed: 5,
        };
        assert_eq!(count, expected);
    }
}
