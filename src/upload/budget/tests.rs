//! Room that is taken, waited for and given back, and the memory that is kept between.

use std::time::Duration;

use bytes::Bytes;

use super::{BLOCK_BYTES, Budget};
use crate::error::Error;

#[test]
fn a_block_gives_its_bytes_back_with_its_last_clone() {
    let budget = Budget::new(1000);
    let mut block = budget.block(400).unwrap();
    let mut chunk = Bytes::from(vec![7; 500]);
    block.fill(&mut chunk);
    assert!(block.is_full());
    assert_eq!(chunk.len(), 100);
    let bytes = block.freeze();
    let clone = bytes.clone();
    assert!(budget.block(400).is_none());
    drop(bytes);
    assert!(budget.block(400).is_none());
    drop(clone);
    assert!(budget.block(400).is_some());
    assert_eq!(budget.in_use(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_part_waits_in_order_and_is_refused_after_a_while() {
    let budget = Budget::new(1000);
    let held = budget.part(500).await.unwrap();
    assert!(matches!(budget.part(500).await, Err(Error::BudgetSpent)));
    let (waited, ()) = tokio::join!(budget.part(500), async { drop(held) });
    assert!(waited.is_ok());
}

#[test]
fn a_whole_block_is_used_again_until_no_upload_has_any() {
    let budget = Budget::new(8 * BLOCK_BYTES);
    let filled = |byte: u8| {
        let mut block = budget.block(BLOCK_BYTES).unwrap();
        block.fill(&mut Bytes::from(vec![byte; BLOCK_BYTES]));
        block.freeze()
    };
    let first = filled(1);
    let place = first.as_ptr();
    drop(first);
    let second = filled(2);
    assert_eq!(second.as_ptr(), place);
    assert!(second.iter().all(|&byte| byte == 2) && second.len() == BLOCK_BYTES);
    drop((second, filled(3)));
    assert_eq!(budget.spares.lock().len(), 2);
    let held = budget.block(1);
    budget.rest();
    assert_eq!(budget.spares.lock().len(), 2);
    drop(held);
    budget.rest();
    assert_eq!(budget.spares.lock().len(), 0);
}

#[test]
fn spares_and_what_is_in_use_are_within_the_budget_together() {
    let budget = Budget::new(8 * BLOCK_BYTES);
    let whole: Vec<_> = (0..4).filter_map(|_| budget.block(BLOCK_BYTES)).collect();
    drop(whole);
    assert_eq!(budget.spares.lock().len(), 4);
    let mut odd = Vec::new();
    while let Some(block) = budget.block(BLOCK_BYTES - 1) {
        odd.push(block);
        let spare = budget.spares.lock().len() * BLOCK_BYTES;
        assert!(budget.in_use() + spare <= 8 * BLOCK_BYTES);
    }
    assert_eq!(odd.len(), 4);
}

#[tokio::test(start_paused = true)]
async fn what_can_never_fit_is_refused_at_once_and_keeps_nobody_waiting() {
    let budget = Budget::new(1000);
    let _held = budget.part(400).await.unwrap();
    let begun = tokio::time::Instant::now();
    assert!(matches!(budget.part(501).await, Err(Error::BudgetSpent)));
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

#[tokio::test]
async fn a_reservation_hands_out_exactly_what_it_holds() {
    let budget = Budget::new(1000);
    let mut part = budget.part(500).await.unwrap();
    assert_eq!(part.block(300).unwrap().size, 300);
    assert_eq!(part.block(300).unwrap().size, 200);
    assert!(part.block(1).is_none());
}
