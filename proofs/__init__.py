"""Public formats and the mathematics behind them: Merkle tree, case map, signed notes, checkpoints, policies, proofs.

Whoever writes proofs (the notary) and whoever checks them (an auditor, a reporter with a receipt) share this room, and
nothing here trusts either of them.
"""
