# Perpetuo in a container. Build and play:
#   docker build -t perpetuo .
#   docker run --rm -it -p 127.0.0.1:8765:8765 perpetuo                the page plays: http://127.0.0.1:8765
#   docker run --rm -it --device /dev/snd --group-add audio \
#       --ulimit rtprio=50 --cap-add SYS_NICE perpetuo play --port auto    ALSA's ports of the host
# /dev/snd holds ALSA's sequencer (/dev/snd/seq), through which all MIDI goes; without it files, the
# page and network surfaces still play. The token that the page asks for: docker exec NAME perpetuo token
FROM python:3.12-slim-bookworm AS build
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY streamer streamer
COPY training training
COPY export export
RUN python -m venv /opt/perpetuo && \
    /opt/perpetuo/bin/pip install --no-cache-dir --quiet '.[midi,live,mqtt,metrics]'

FROM python:3.12-slim-bookworm
RUN apt-get update -q && \
    apt-get install -q -y --no-install-recommends libasound2 fluidsynth timgm6mb-soundfont && \
    rm -rf /var/lib/apt/lists/* && \
    useradd --system --create-home --groups audio perpetuo
COPY --from=build /opt/perpetuo /opt/perpetuo
ENV PATH=/opt/perpetuo/bin:$PATH ORT_DISABLE_TELEMETRY=1 OMP_NUM_THREADS=1
USER perpetuo
VOLUME /home/perpetuo
EXPOSE 8765 7001/udp
ENTRYPOINT ["perpetuo"]
CMD ["play", "--port", "null", "--plain", "--web", "0.0.0.0:8765", "--network"]
