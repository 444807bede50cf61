mod approval;
mod attempts;
mod bench;
mod crash;
mod fleet;
mod in_force;
mod random;
mod watch;
