mod approval;
mod attempts;
mod bench;
mod crash;
mod in_force;
mod random;
mod watch;
