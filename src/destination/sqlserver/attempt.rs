//! One attempt at a batch, and what became of it in the words of the trait.

use super::blame::{self, Blow, Obstacle, Place};
use super::classify::Moment;
use super::connection::{Connection, Connections};
use super::shape::Shape;
use super::statements::Ending;
use super::write::Write;
use crate::destination::{RejectedRecord, WriteError, Written};
use crate::model::batch::Batch;
use crate::model::checkpoint::Fence;
use crate::model::failure::{Cause, Rejection};
use crate::model::mutation::Mutations;

/// Does what a batch asks for, and ends it as told.
pub(super) async fn attempt(
    connections: &Connections,
    mutations: Mutations,
    fence: &Fence,
    batch: &Batch,
    ending: Ending,
) -> Result<Written, WriteError> {
    // Looked at before a connection is asked for, so that none waits for it.
    let mut shapes: Vec<Shape> = batch.tables.iter().map(Shape::of).collect();
    let refused: Vec<_> = shapes.iter_mut().flat_map(|shape| shape.refused.drain(..)).collect();
    if !refused.is_empty() {
        return Err(WriteError::Rejected(refused));
    }
    let mut lease = connections.lend().await.map_err(|failure| {
        let (moment, place) = (Moment::Asking, Place::Batch);
        blame::judge(batch, &Blow { moment, place, failure, record_id: None })
    })?;
    let write = Write { fence, batch, shapes, mutations, ending };
    let obstacle = match write.run(&mut lease.connection).await {
        Ok(written) => {
            lease.give_back();
            return Ok(written);
        }
        Err(obstacle) => obstacle,
    };
    // To find one record among many takes many failures: not each costs a connection.
    if !(obstacle.leaves_session() && roll_back(&mut lease.connection).await) {
        drop(lease);
        return Err(judge(batch, obstacle, ending));
    }
    let found = write.look(&mut lease.connection, &obstacle).await;
    match found {
        Ok(found) => {
            lease.give_back();
            Err(found.unwrap_or_else(|| judge(batch, obstacle, ending)))
        }
        // What was known before stands: trials tell the rest.
        Err(_) => Err(judge(batch, obstacle, ending)),
    }
}

/// Leaves the transaction that a failed batch may be in; answers whether that worked.
async fn roll_back(connection: &mut Connection) -> bool {
    connection.batch("IF @@TRANCOUNT > 0 ROLLBACK TRANSACTION").await.is_ok()
}

/// What an obstacle means, as far as it is known without looking.
fn judge(batch: &Batch, obstacle: Obstacle, ending: Ending) -> WriteError {
    match obstacle {
        Obstacle::Fenced => WriteError::Fenced,
        // Looking for them failed, or the row is there by now: trials tell.
        Obstacle::NoBase(at) => WriteError::Rejected(vec![RejectedRecord {
            entity: batch.tables.get(at).map(|table| table.mapping.entity.clone()),
            record_id: None,
            rejection: Rejection::of(Cause::NoBase),
        }]),
        Obstacle::Failed(mut blow) => {
            if ending == Ending::RollBack {
                // No commit was sent, whatever was lost.
                blow.moment = Moment::Before;
            }
            blame::judge(batch, &blow)
        }
    }
}
