//! Writes that wait for replicas.

use redis::{Cmd, Value};

use super::{
    Redis,
    error::WriteError,
    failover::{is_failure_of_master, is_worth_repeating},
    masters::master_of,
    refreshable::Versioned,
    slot,
};

impl Redis {
    /// Carries out commands whose keys are in one slot. Returns their answers when as many replicas as configured have the
    /// writes. Repeats them once after a broken connection or a former master.
    pub async fn write(&self, commands: Vec<Cmd>) -> Result<Vec<Value>, WriteError> {
        let again = self.masters.may_move().then(|| commands.clone());
        match (self.write_once(commands).await, again) {
            (Err(WriteError::Redis(error)), Some(commands)) if is_worth_repeating(&error) => {
                self.write_once(commands).await
            }
            (written, _) => written,
        }
    }

    async fn write_once(&self, commands: Vec<Cmd>) -> Result<Vec<Value>, WriteError> {
        let Versioned {
            version,
            value: map,
        } = self.masters.map().await?;
        let slot = if self.masters.are_many() {
            commands.iter().find_map(slot::of_command)
        } else {
            None
        };
        let node = master_of(&map, slot.unwrap_or(0))?;
        let written = node.write(commands, self.wait_replicas).await;
        let may_be_elsewhere = match &written {
            Ok(_) => false,
            Err(WriteError::Redis(error)) => is_failure_of_master(error),
            // A former master has no replicas.
            Err(WriteError::Replicas { .. }) => true,
        };
        if may_be_elsewhere {
            self.masters.forget(version).await;
        }
        written
    }
}
