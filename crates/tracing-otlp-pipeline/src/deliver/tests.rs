//! The whole of delivery against a scripted destination, with time turned by hand.

use std::{
    collections::BTreeMap,
    num::{NonZeroU32, NonZeroUsize},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use super::rig::{Play, Rig, accepted, http, unreachable, wait};
use crate::{
    deliver::queue::Refusal,
    ledger::LossReason,
    settings::{BreakerSettings, DeliverySettings, RetrySettings, Signal},
    wire::{self, Answer},
};

mod answers;
mod attempts;
mod ending;
mod fairness;
mod standstill;
mod too_large;

fn patient() -> DeliverySettings {
    DeliverySettings::default().with_breaker(BreakerSettings::disabled())
}
