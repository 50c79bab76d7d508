#!/bin/sh
# Start the Nextflow whose jars lie beside this file, as its own launcher would; TLIMB_NEXTFLOW_SET=b takes the one
# that has the Kubernetes executor. The archive beside the jars spares Java reading classes anew; where it does not fit
# this Java, it is passed over without a word.
here=$(dirname "$(readlink -f "$0")")
set=${TLIMB_NEXTFLOW_SET:-a}
opens=
for package in java.lang java.io java.nio java.net java.util java.util.concurrent.locks java.util.concurrent.atomic \
  java.nio.file.spi sun.nio.ch sun.nio.fs sun.net.www.protocol.http sun.net.www.protocol.https \
  sun.net.www.protocol.ftp sun.net.www.protocol.file jdk.internal.misc jdk.internal.vm java.util.regex; do
  opens="$opens --add-opens=java.base/$package=ALL-UNNAMED"
done
kept="-XX:SharedArchiveFile=$here/$set.jsa"
[ -r "$here/$set.jsa" ] || kept=
[ -z "${TLIMB_NEXTFLOW_KEEP:-}" ] || kept="-XX:ArchiveClassesAtExit=$here/$set.jsa"
export NXF_OFFLINE=true NXF_DISABLE_CHECK_LATEST=true NXF_PLUGINS_DEFAULT=false NXF_ANSI_LOG="${NXF_ANSI_LOG:-false}"
unset NXF_VER
# shellcheck disable=SC2086 -- each holds several options or none
exec java $opens $kept -Xlog:disable -Xlog:all=error:stderr -Dfile.encoding=UTF-8 -Djava.awt.headless=true \
  -XX:TieredStopAtLevel=1 ${NXF_OPTS:--Xmx1g} -cp "$here/$set/*" nextflow.cli.Launcher "$@"
