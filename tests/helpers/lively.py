"""Flags of runs whose translations are more than gray, though hardly trained."""
LIVELY = "--init_type xavier --init_gain 1"
NOISY, CYCLE = f"--model pix2pix {LIVELY}", f"--model cycle_gan {LIVELY}"
