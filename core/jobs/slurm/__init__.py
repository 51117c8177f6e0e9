"""Jobs in a Slurm queue: handed in, recorded, followed and cancelled by any program that sees their folders."""
