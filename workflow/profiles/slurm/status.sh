#!/bin/sh
# Says of a Slurm job what Snakemake asks: running, success or failed.
# scontrol knows a job for some minutes after its end (MinJobAge); sacct, where there is an accounting database, for good.
if said=$(scontrol show job "$1" 2>&1); then
  state=$(printf '%s' "$said" | sed -n 's/.*JobState=\([A-Z_]*\).*/\1/p')
else
  case $said in
    *'Invalid job id'*) state=$(sacct -X -n -o State -j "$1" 2>/dev/null | awk 'NR == 1 { print $1 }') ;;
    # The controller does not answer: nothing is known, so nothing is lost.
    *) state=UNKNOWN ;;
  esac
fi
case $state in
  COMPLETED) echo success ;;
  PENDING | CONFIGURING | RUNNING | COMPLETING | SUSPENDED | STOPPED | SIGNALING | STAGE_OUT | RESIZING | REQUEUED | UNKNOWN)
    echo running ;;
  *) echo failed ;;
esac
