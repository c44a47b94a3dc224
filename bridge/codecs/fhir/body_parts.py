"""BodyPartExamined (0018,0015) to SNOMED CT. Source: PS3.16 Annex L; meanings as in CID 4031 and its neighbours.

A term of the standard keeps its code. What devices write instead is brought to a term first; what is still unknown has
no code and keeps its text. THORAX is given the code of CHEST: CID 4031 and Annex L disagree, and readers search CHEST.
"""

from __future__ import annotations

import unicodedata

_TERMS = """
ABDOMEN          818981001  Abdomen
ABDOMENPELVIS    818982008  Abdomen and Pelvis
ADRENAL          23451007   Adrenal structure
ANKLE            70258002   Ankle joint structure
AORTA            15825003   Aortic structure
APPENDIX         66754008   Appendix structure
AXILLA           91470000   Axillary region structure
BACK             77568009   Back structure, excluding neck
BILEDUCT         28273000   Bile duct structure
BLADDER          89837001   Urinary bladder structure
BRAIN            12738006   Brain structure
BREAST           76752008   Breast structure
BRONCHUS         955009     Bronchus
BUTTOCK          46862004   Buttock structure
CALCANEUS        80144004   Calcaneus
CALF             53840002   Structure of calf of leg
CAROTID          69105007   Carotid artery structure
CEREBELLUM       113305005  Cerebellum
CERVIX           71252005   Cervix uteri structure
CHEEK            60819002   Cheek structure
CHEST            816094009  Thorax
CHESTABDOMEN     416550000  Chest and/or abdomen structure
CHESTABDPELVIS   416775004  Chest and/or abdomen and/or pelvis structure
CIRCLEOFWILLIS   11279006   Structure of circle of Willis
CLAVICLE         51299004   Clavicle
COCCYX           64688005   Coccyx
COLON            71854001   Colon structure
CORONARYARTERY   41801008   Coronary artery structure
CSPINE           122494005  Structure of cervical vertebral column
CTSPINE          1217257000 Cervico-thoracic spine
DUODENUM         38848004   Duodenum
EAR              117590005  Ear structure
ELBOW            16953009   Elbow joint structure
ESOPHAGUS        32849002   Esophagus
EXTREMITY        66019005   Limb structure
EYE              81745001   Structure of eye proper
FACE             89545001   Face structure
FEMUR            71341001   Femur
FIBULA           87342007   Fibula
FINGER           7569003    Finger structure
FOOT             56459004   Foot structure
FOREARM          14975008   Forearm structure
GALLBLADDER      28231008   Gallbladder structure
HAND             85562004   Hand structure
HEAD             69536005   Head structure
HEADNECK         774007     Head and neck structure
HEART            80891009   Heart structure
HIP              24136001   Hip joint structure
HUMERUS          85050009   Humerus
IAC              361078006  Internal Auditory Canal
JAW              661005     Jaw region structure
KIDNEY           64033007   Kidney structure
KNEE             72696002   Knee region structure
LARYNX           4596009    Larynx
LIVER            10200004   Liver structure
LOWERLEG         30021000   Lower leg structure
LOWERLIMB        61685007   Lower limb structure
LSPINE           122496007  Lumbar spine structure
LSSPINE          1217253001 Lumbo-sacral spine
LUNG             39607008   Lung structure
MANDIBLE         91609006   Mandible
MASTOID          59066005   Mastoid structure
MAXILLA          70925003   Maxilla
MEDIASTINUM      72410000   Mediastinum
MOUTH            123851003  Mouth region structure
NECK             45048000   Neck structure
NECKCHEST        417437006  Neck and/or chest structure
NECKCHESTABDOMEN 416152001  Neck, Chest and Abdomen
NECKCHESTABDPELV 416319003  Neck, Chest, Abdomen and Pelvis
NOSE             45206002   Nose
ORBIT            363654007  Structure of orbit proper
OVARY            15497006   Ovary
PANCREAS         15776009   Pancreatic structure
PAROTID          45289007   Parotid gland structure
PATELLA          64234005   Patella
PELVIS           816092008  Pelvis
PELVISLOWEXTREMT 1231522001 Pelvis and lower extremities
PHANTOM          706342009  Phantom
PROSTATE         41216001   Prostatic structure
RADIUS           62413002   Radius
RADIUSULNA       110535000  Radius and ulna
RECTUM           34402009   Rectum structure
RIB              113197003  Rib
SCALP            41695006   Scalp structure
SCAPULA          79601000   Scapula
SELLA            42575006   Structure of pituitary fossa
SHOULDER         16982005   Shoulder region structure
SIJOINT          39723000   Sacroiliac joint structure
SKULL            89546000   Skull
SMALLINTESTINE   30315005   Small intestine
SPINE            421060004  Structure of vertebral column
SPLEEN           78961009   Splenic structure
SSPINE           54735007   Sacrum
STERNUM          56873002   Sternum
STOMACH          69695003   Stomach structure
TESTIS           40689003   Testis structure
THIGH            68367000   Thigh structure
THORAX           816094009  Thorax
THUMB            76505004   Thumb structure
THYROID          69748006   Thyroid structure
TIBIA            12611008   Tibia
TIBIAFIBULA      110536004  Tibia and fibula (combined site)
TLSPINE          1217256009 Thoraco-lumbar spine
TMJ              53620006   Temporomandibular joint structure
TOE              29707007   Toe structure
TRACHEA          44567001   Tracheal structure
TSPINE           122495006  Thoracic spine structure
ULNA             23416004   Ulna
UPPERARM         40983000   Upper arm structure
UPPERLIMB        53120007   Upper limb structure
UPRURINARYTRACT  431491007  Upper urinary tract
URETER           87953007   Ureteric structure
URETHRA          13648007   Urethral structure
UTERUS           35039007   Uterus
WHOLEBODY        38266002   Entire body as a whole
WRIST            74670003   Wrist joint structure
SINUS            2095001    Paranasal sinus structure
ZYGOMA           13881006   Zygomatic bone structure
ACJOINT          85856004   Acromioclavicular joint structure
SCJOINT          7844006    Sternoclavicular joint structure
"""
# What is written in the field, folded to letters and digits. Source: observed device output; never a guess between two parts.
_VARIANTS = """
ABD ABDOMEN
ABDO ABDOMEN
ABDPEL ABDOMENPELVIS
ABDPELVIS ABDOMENPELVIS
CAP CHESTABDPELVIS
CARDIAC HEART
CERVICALSPINE CSPINE
CHESTABDOMENPELVIS CHESTABDPELVIS
CHESTABDPEL CHESTABDPELVIS
COR HEART
CRANE SKULL
CRANIUM SKULL
CSP CSPINE
DORSAL TSPINE
DORSALSPINE TSPINE
LSP LSPINE
LSSP LSSPINE
LUMBAR LSPINE
LUMBARSPINE LSPINE
LUNGS LUNG
SACRUM SSPINE
SINUSES SINUS
THORACICSPINE TSPINE
TORAX CHEST
TSP TSPINE
"""


def code_of(body_part_examined: str) -> tuple[str, str] | None:
    """Return the SNOMED CT code and its meaning for *body_part_examined*, None if it is no term we know."""
    folded = _fold(body_part_examined)
    return _CODES.get(_TERM_OF.get(folded, folded))


def _fold(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text).upper()
    return "".join(char for char in plain if char.isascii() and char.isalnum())


_CODES = {
    term: (code, meaning) for term, code, meaning in (line.split(None, 2) for line in _TERMS.strip().splitlines())
}
_TERM_OF = dict(line.split() for line in _VARIANTS.strip().splitlines())
