# Both images, from the sources:
#
#   docker build --target toygres -t toygres:0.1.0 .
#   docker build --target toygres-agent -t toygres-agent:0.1.0 .
#
# They hold the program and its libraries, no shell and no package manager, and run as a user that is not root.
# deploy/images makes the same file systems without docker.
FROM debian:bookworm AS build
WORKDIR /work
COPY dev CMakeLists.txt CMakePresets.json ./
RUN ./dev deps
COPY . .
RUN ./dev build toygres toygres-agent && deploy/images --rootfs /rootfs

FROM scratch AS toygres-agent
COPY --from=build /rootfs/toygres-agent /
USER 65532:65532
ENTRYPOINT ["/toygres-agent"]

FROM scratch AS toygres
COPY --from=build /rootfs/toygres /
ENV PATH=/usr/local/bin
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/usr/local/bin/toygres"]
