# JupyterLab with the notebooks:
#   docker build -t carlib .
#   docker run --rm -p 127.0.0.1:8888:8888 carlib
FROM python:3.12-slim

ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONDONTWRITEBYTECODE=1

RUN useradd --create-home learner
WORKDIR /srv/carlib

# The packages first: they stay as they are when a notebook changes.
COPY requirements.txt .
RUN python -m pip install -r requirements.txt

COPY --chown=learner . .
RUN python -m pip install --no-deps --no-build-isolation -e . \
  && chown learner:learner .

USER learner
EXPOSE 8888
CMD ["python", "-m", "jupyter", "lab", "--ip=0.0.0.0", "--no-browser", "notebooks"]
