//! Lines of a program's output, none of them longer than is good for us.

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};

/// A longer line is skipped. journalctl itself leaves out fields beyond 4 KiB, so only a forged line is longer.
const LONGEST: usize = 16 * 1024;

/// The lines of a stream.
#[derive(Debug)]
pub(super) struct Lines<R> {
    from: BufReader<R>,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    pub(super) fn new(from: R) -> Self {
        Self { from: BufReader::new(from) }
    }

    /// The next line without its end; none at the end or when reading breaks off. Dropping the future loses the part
    /// that was read of a line.
    pub(super) async fn next(&mut self) -> Option<Vec<u8>> {
        let mut line = Vec::new();
        let mut too_long = false;
        loop {
            let ready = self.from.fill_buf().await.ok()?;
            if ready.is_empty() {
                return None;
            }
            let end = ready.iter().position(|byte| *byte == b'\n');
            let part = ready.get(..end.unwrap_or(ready.len())).unwrap_or_default();
            too_long |= line.len() + part.len() > LONGEST;
            if !too_long {
                line.extend_from_slice(part);
            }
            let used = part.len() + usize::from(end.is_some());
            self.from.consume(used);
            if end.is_some() {
                if !too_long {
                    return Some(line);
                }
                line.clear();
                too_long = false;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn long_lines_are_skipped_and_the_next_one_is_whole() {
        let mut text = b"first\n".to_vec();
        text.extend(std::iter::repeat_n(b'x', LONGEST + 1));
        text.extend_from_slice(b"\nthird\n\ncut off");
        let mut lines = Lines::new(text.as_slice());
        assert_eq!(lines.next().await.as_deref(), Some(&b"first"[..]));
        assert_eq!(lines.next().await.as_deref(), Some(&b"third"[..]));
        assert_eq!(lines.next().await.as_deref(), Some(&b""[..]));
        assert_eq!(lines.next().await, None, "a line without its end is not whole");
    }

    #[tokio::test]
    async fn a_line_of_the_limit_passes() {
        let mut text = vec![b'x'; LONGEST];
        text.push(b'\n');
        assert_eq!(Lines::new(text.as_slice()).next().await.map(|l| l.len()), Some(LONGEST));
    }
}
