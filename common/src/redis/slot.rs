//! The slot of a command in a Redis Cluster.

use redis::{Arg, Cmd, Pipeline};

/// The number of slots.
pub(super) const SLOTS: u16 = 16384;

/// The slot of a key: of the text in its first braces, if it is not empty.
pub(super) fn of_key(key: &[u8]) -> u16 {
    let tag = key
        .iter()
        .position(|byte| *byte == b'{')
        .map(|start| &key[start + 1..])
        .and_then(|rest| Some(&rest[..rest.iter().position(|byte| *byte == b'}')?]))
        .filter(|tag| !tag.is_empty());
    crc16::State::<crc16::XMODEM>::calculate(tag.unwrap_or(key)) % SLOTS
}

/// The slot of a command's first key; none without a key. All keys of one command are in one slot.
pub(super) fn of_command(command: &Cmd) -> Option<u16> {
    let argument = |wanted: usize| {
        command
            .args_iter()
            .nth(wanted)
            .and_then(|argument| match argument {
                Arg::Simple(text) => Some(text),
                _ => None,
            })
    };
    let key = match argument(0)?.to_ascii_uppercase().as_slice() {
        b"PING" | b"INFO" | b"CONFIG" | b"TIME" | b"SCRIPT" | b"MULTI" | b"EXEC" | b"WAIT" => None,
        b"EVAL" | b"EVALSHA" => argument(3).filter(|_| argument(2) != Some(b"0")),
        b"XGROUP" | b"XINFO" => argument(2),
        b"XREADGROUP" => {
            let streams = command.args_iter().position(|argument| {
                matches!(argument, Arg::Simple(text) if text.eq_ignore_ascii_case(b"STREAMS"))
            })?;
            argument(streams + 1)
        }
        _ => argument(1),
    };
    key.map(of_key)
}

/// The slot of a pipeline's first key.
pub(super) fn of_pipeline(pipeline: &Pipeline) -> Option<u16> {
    pipeline.cmd_iter().find_map(of_command)
}

#[cfg(test)]
mod tests {
    use redis::Script;

    use super::*;

    #[test]
    fn a_slot_is_that_of_the_tag_or_of_the_key() {
        // From the specification of Redis Cluster.
        assert_eq!(of_key(b"123456789"), 0x31C3);
        assert_eq!(of_key(b"heyi:{123456789}:notify"), 0x31C3);
        assert_eq!(of_key(b"foo{}{bar}"), of_key(b"foo{}{bar}"));
        assert_ne!(of_key(b"foo{}{bar}"), of_key(b"bar"));
        assert_eq!(of_key(b"foo{{bar}}zap"), of_key(b"{bar"));
    }

    #[test]
    fn the_first_key_is_found_in_each_kind_of_command() {
        let key = "heyi:{3}:notify";
        let slot = Some(of_key(b"3"));
        let mut read = redis::cmd("XREADGROUP");
        read.arg("GROUP")
            .arg("g")
            .arg("c")
            .arg("STREAMS")
            .arg(key)
            .arg(">");
        assert_eq!(of_command(&read), slot);
        let mut group = redis::cmd("XGROUP");
        group.arg("CREATE").arg(key);
        assert_eq!(of_command(&group), slot);
        let mut script = redis::cmd("EVALSHA");
        script
            .arg(Script::new("return 1").get_hash())
            .arg(1)
            .arg(key);
        assert_eq!(of_command(&script), slot);
        let mut pipeline = redis::pipe();
        pipeline
            .cmd("MULTI")
            .expire(key, 1)
            .cmd("EXEC")
            .cmd("WAIT")
            .arg(1)
            .arg(1);
        assert_eq!(of_pipeline(&pipeline), slot);
        assert_eq!(of_command(&redis::cmd("PING")), None);
    }
}
