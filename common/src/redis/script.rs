//! Lua scripts, called by their hash, and by their text if the server does not know it.
//!
//! `redis::Script` loads an unknown script with `SCRIPT LOAD`, which a user with few rights may not call.

use redis::{
    Cmd, ErrorKind, FromRedisValue, RedisResult, ServerErrorKind, ToRedisArgs, aio::ConnectionLike,
};

/// A script. Repeating a call must do no harm.
#[derive(Debug, Clone)]
pub struct Script {
    text: &'static str,
    hash: String,
}

/// A call of a script.
#[derive(Debug, Clone)]
pub struct Call {
    script: Script,
    keys: Vec<Vec<u8>>,
    arguments: Vec<Vec<u8>>,
}

impl Script {
    /// The script with this text.
    pub fn new(text: &'static str) -> Self {
        Self {
            text,
            hash: redis::Script::new(text).get_hash().to_owned(),
        }
    }

    /// A call without keys or arguments.
    pub fn prepare_invoke(&self) -> Call {
        Call {
            script: self.clone(),
            keys: Vec::new(),
            arguments: Vec::new(),
        }
    }

    /// A call with this key.
    pub fn key(&self, key: impl ToRedisArgs) -> Call {
        let mut call = self.prepare_invoke();
        call.key(key);
        call
    }
}

impl Call {
    /// Adds a key.
    pub fn key(&mut self, key: impl ToRedisArgs) -> &mut Self {
        key.write_redis_args(&mut self.keys);
        self
    }

    /// Adds one or several arguments.
    pub fn arg(&mut self, argument: impl ToRedisArgs) -> &mut Self {
        argument.write_redis_args(&mut self.arguments);
        self
    }

    /// Calls it.
    pub async fn invoke_async<T: FromRedisValue>(
        &self,
        connection: &mut (impl ConnectionLike + Send),
    ) -> RedisResult<T> {
        let by_hash = self.command("EVALSHA", &self.script.hash);
        match by_hash.query_async(connection).await {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                let with_text = self.command("EVAL", self.script.text);
                with_text.query_async(connection).await
            }
            called => called,
        }
    }

    fn command(&self, name: &str, script: &str) -> Cmd {
        let mut command = redis::cmd(name);
        command
            .arg(script)
            .arg(self.keys.len())
            .arg(&self.keys)
            .arg(&self.arguments);
        command
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_has_its_keys_before_its_arguments() {
        let script = Script::new("return 1");
        let mut call = script.prepare_invoke();
        call.key("a").arg(7).arg(&["x", "y"]).key("b");
        let packed = call.command("EVAL", script.text).get_packed_command();
        let text = String::from_utf8(packed).unwrap();
        let words: Vec<&str> = text
            .split("\r\n")
            .filter(|line| !line.starts_with(['*', '$']) && !line.is_empty())
            .collect();
        assert_eq!(words, ["EVAL", "return 1", "2", "a", "b", "7", "x", "y"]);
    }
}
